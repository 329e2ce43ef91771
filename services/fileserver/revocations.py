"""Which genuine links do not work any more, because an operator said so. Pure.

A revocation names a recipient, a PBX, a call, a span of time in which calls arrived, or several of these; a link falls
under it when all that it names is true of the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import tzinfo

_TIME_DIGITS = 12  # of a call's id: the PBX's local time when it arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What it names; an empty text or None stands for everything. `since` and `until` are aware, `until` exclusive."""

    id: str
    made_at: datetime
    recipient: str = ""
    pbx: str = ""
    call: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_of_everything(self) -> bool:
        """True when it names nothing."""
        return not (self.recipient or self.pbx or self.call or self.since or self.until)

    def covers(self, *, pbx: str, recipient: str, call: str, arrived_at: Collection[datetime]) -> bool:
        """Whether a link falls under it; `arrived_at`: when its call may have arrived, none if that cannot be told."""
        if self.recipient not in {"", recipient} or self.pbx not in {"", pbx} or self.call not in {"", call}:
            return False
        if self.since is None and self.until is None:
            return True
        # What cannot be told is refused: a revocation must not be escaped by an odd name.
        return not arrived_at or any(
            (self.since is None or at >= self.since) and (self.until is None or at < self.until) for at in arrived_at
        )


def arrivals(call: str, pbx: str, timezones: Mapping[str, tzinfo]) -> set[datetime]:
    """When a call may have arrived, from its id: two moments in an hour that comes twice, none for an odd id.

    `timezones` by PBX, UTC for one that is not known.
    """
    try:
        local = datetime.strptime(call[:_TIME_DIGITS], "%y%m%d%H%M%S")  # noqa: DTZ007 - the zone is added next
    except ValueError:
        return set()
    zone = timezones.get(pbx, UTC)
    return {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
