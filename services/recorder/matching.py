"""Whose recording is it? Finds the awaited link that a row of the PBX's list belongs to.

A row belongs to a link when it names the call's runtime number, the link's extension is one of its sides, and it
began while the link lasted, give or take what two clocks may differ. Runtime numbers start again when the PBX does,
and one extension may have several links in one call: time decides. A row whose file name tells no call number must
name the outside party instead. Pure; one row costs a look at the few links of one call number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from services.recorder.rows import bare_number

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import datetime

    from services.recorder.rows import RecordingRow
    from switchhook.events import CallId

TOLERANCE = timedelta(seconds=10)


class LinkKey(NamedTuple):
    """Names one link of one call of one PBX."""

    pbx: str
    call_id: CallId
    link: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedLink:
    """What is known of a link whose recording is looked for; `numbers` are the PBX's runtime numbers of its call.

    `owed_at` is when it was accepted that its recording is owed; `traceparent` is the span from then until it is told.
    """

    key: LinkKey
    numbers: tuple[int, ...]
    user: str
    outside_number: str
    started_at: datetime
    ended_at: datetime
    is_internal: bool = False
    did: str = ""
    direction: str = ""
    owed_at: datetime | None = None
    traceparent: str = ""


class LinkIndex:
    """The awaited links of one PBX."""

    def __init__(self) -> None:
        self._links_by_mark: dict[Hashable, dict[LinkKey, AwaitedLink]] = {}

    def add(self, link: AwaitedLink) -> None:
        """Await the link's recordings; a link that is awaited already is left alone."""
        for mark in marks(link):
            self._links_by_mark.setdefault(mark, {})[link.key] = link

    def discard(self, link: AwaitedLink) -> None:
        """Await them no longer."""
        for mark in marks(link):
            links = self._links_by_mark.get(mark, {})
            links.pop(link.key, None)
            if not links:
                self._links_by_mark.pop(mark, None)

    def owner(self, row: RecordingRow) -> AwaitedLink | None:
        """The link that the row belongs to; None when no awaited one fits."""
        near = (link for mark in marks_of(row) for link in self._links_by_mark.get(mark, {}).values())
        candidates = [link for link in near if _fits(row, link)]
        return max(candidates, key=lambda link: _closeness(row, link), default=None)


def closest_of_call(row: RecordingRow, links: Iterable[AwaitedLink]) -> AwaitedLink | None:
    """The link of a row that is known to be of these links' call: its extension's, and of those the nearest in time.

    A recording of a consultation is none's.
    """
    own = [link for link in links if bare_number(link.user) in row.sides and row.is_internal <= link.is_internal]
    return max(own, key=lambda link: _closeness(row, link), default=None)


def marks_of(row: RecordingRow) -> Iterable[Hashable]:
    """Under which the row looks for its link."""
    return [row.call_number] if row.call_number is not None else row.sides


def marks(link: AwaitedLink) -> tuple[Hashable, ...]:
    """Under which a row may look for the link: integers are call numbers, texts are extensions."""
    return (*link.numbers, bare_number(link.user))


def _fits(row: RecordingRow, link: AwaitedLink) -> bool:
    # A consultation between colleagues is no conversation with the outside party: its recording is not for the link.
    if row.started_at is None or (row.is_internal and not link.is_internal):
        return False
    if row.direction is None and not link.is_internal and _is_between_colleagues(row, link):
        return False
    if not link.started_at - TOLERANCE <= row.started_at <= link.ended_at + TOLERANCE:
        return False
    if bare_number(link.user) not in row.sides:
        return False
    return row.call_number is not None or bare_number(link.outside_number) in row.sides


def _is_between_colleagues(row: RecordingRow, link: AwaitedLink) -> bool:
    """A guess, where nothing tells: the other side is a number as long as the extension's, and not the outside one."""
    user = bare_number(link.user)
    others = row.sides - {user}
    return bare_number(link.outside_number) not in others and any(
        other.isdigit() and len(other) == len(user) for other in others
    )


def _closeness(row: RecordingRow, link: AwaitedLink) -> tuple[timedelta, timedelta]:
    """The longer they overlap, then the nearer their beginnings, the closer."""
    began = row.started_at or link.started_at
    ended = max(row.ended_at or began, began)
    overlap = min(ended, link.ended_at) - max(began, link.started_at)
    return max(overlap, timedelta()), -abs(began - link.started_at)
