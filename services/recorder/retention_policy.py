"""For how long which recording is kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import time

    from switchhook.settings import RecorderSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """The nearest rule counts: that of the DID, else of the direction, else of the PBX, else `default`."""

    default: timedelta
    by_pbx: Mapping[str, timedelta] = field(default_factory=dict)
    by_direction: Mapping[str, timedelta] = field(default_factory=dict)
    by_did: Mapping[str, timedelta] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, section: RecorderSettings) -> RetentionPolicy:
        """The policy of the configuration."""
        return cls(
            default=section.retention,
            by_pbx=section.retention_by_pbx,
            by_direction={str(direction): kept for direction, kept in section.retention_by_direction.items()},
            by_did=section.retention_by_did,
        )

    def of(self, pbx: str, *, direction: str, did: str) -> timedelta:
        """How long after its end a recording of such a call is kept."""
        for rules, name in ((self.by_did, did), (self.by_direction, direction), (self.by_pbx, pbx)):
            if name in rules:
                return rules[name]
        return self.default

    @property
    def longest(self) -> timedelta:
        """No recording is kept for longer, unless it is held."""
        kept = (*self.by_pbx.values(), *self.by_direction.values(), *self.by_did.values())
        return max(self.default, *kept) if kept else self.default


def next_purge(now: datetime, purge_at: time) -> datetime:
    """The next time (naive, local like `now`) at which the clock on the wall shows `purge_at`."""
    today = datetime.combine(now.date(), purge_at)
    return today if today > now else today + timedelta(days=1)


def is_missed(last: datetime | None, now: datetime, purge_at: time) -> bool:
    """True when the clock on the wall has shown `purge_at` since the last purge (naive and local, as `now`).

    A last purge that is still to come was one of a clock that has been set since.
    """
    return last is None or last > now or last < next_purge(now, purge_at) - timedelta(days=1)
