"""The hunt for the recordings of one PBX's calls: which rows belong to whom, and when a link has all of them.

Pure; times are arguments. Rows may come before the call they belong to: they are remembered for a while. A link is
complete when its recordings are as long as it was, for nothing is recorded twice; else when a look at the list that
began `settle` after the call's newest row brought no further one, and no file of it still grows. What the ordinary
looks missed (a row that appeared late under a low id, or before a restart) is found by sweeps over the time of the
links that still wait, at growing distances, and once more before a recording is called absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.matching import TOLERANCE, AwaitedLink, LinkIndex, closest_of_call
from services.recorder.source import Window
from services.recorder.strays import Strays

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from services.recorder.jobs import PendingCall
    from services.recorder.rows import RecordingRow

_FIRST_SWEEP = timedelta(seconds=10)
_SWEEP_GROWTH = 3
_SLACK = timedelta(seconds=1)  # by which what is recorded of a link may be shorter than the link, at most
_SLACK_SHARE = 4  # and by no more than this part of it: half a short talk is not the whole


@dataclass(frozen=True, slots=True)
class Found:
    """All recordings of one link, in the order in which they began; none when none came in time."""

    link: AwaitedLink
    rows: tuple[RecordingRow, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Hunted:
    call: PendingCall
    missing: dict[int, dict[int, RecordingRow]]  # by link: the rows found so far, by id
    newest_row_at: datetime
    sweep_at: datetime
    sweep_gap: timedelta
    swept_at: datetime | None = None


@dataclass(slots=True)
class Hunt:
    """One PBX's hunt."""

    wait_for: timedelta
    settle: timedelta
    _index: LinkIndex = field(default_factory=LinkIndex)
    _hunted_by_call: dict[str, _Hunted] = field(default_factory=dict)
    strays: Strays = field(default_factory=Strays)
    _call_by_row: dict[int, str] = field(default_factory=dict)

    def add(self, call: PendingCall, *, at: datetime, sweep_at: datetime | None = None) -> None:
        """Look for the recordings of the call's links of which nothing was found yet; sweep for them at `sweep_at`."""
        if call.call_id in self._hunted_by_call or not call.looked_for:
            return
        missing: dict[int, dict[int, RecordingRow]] = {link.key.link: {} for link in call.looked_for}
        first = sweep_at or min(at + _FIRST_SWEEP, call.accepted_at + self.wait_for)
        hunted = _Hunted(call=call, missing=missing, newest_row_at=at, sweep_at=first, sweep_gap=_FIRST_SWEEP)
        self._hunted_by_call[call.call_id] = hunted
        # Links that are found stay in the index while their call is hunted, so that their rows go to no other.
        for link in call.links:
            self._index.add(link)
        self.take([row for link in call.links for row in self.strays.near(link)], at=at)

    def name(self, call_id: str, ids: Iterable[int], *, at: datetime) -> None:
        """The PBX's call log says which recordings are the call's: it knows better than their names and times."""
        hunted = self._hunted_by_call.get(call_id)
        if hunted is None:
            return
        named = set(ids)
        self._call_by_row |= dict.fromkeys(named, call_id)
        self.take([row for row in self.strays.rows if row.id in named], at=at)

    def take(self, rows: Iterable[RecordingRow], *, at: datetime) -> None:
        """Rows that the PBX listed at `at`; those that are known already change nothing."""
        for row in rows:
            link = self._owner(row)
            if link is None:
                self.strays.remember(row, at=at)
                continue
            self.strays.claim(row)
            hunted = self._hunted_by_call[link.key.call_id]
            found = hunted.missing.get(link.key.link)
            if found is not None and row.id not in found:
                found[row.id] = row
                hunted.newest_row_at = at

    def complete(self, *, looked_at: datetime, growing: Iterable[RecordingRow] = ()) -> list[Found]:
        """Links that have all their rows, judged after a look that began at `looked_at` and saw what is `growing`."""
        growing_links = {link.key for row in growing if (link := self._owner(row)) is not None}
        complete = []
        for hunted in list(self._hunted_by_call.values()):
            is_settled = looked_at >= hunted.newest_row_at + self.settle
            for link in hunted.call.links:
                rows = hunted.missing.get(link.key.link)
                is_last = is_settled and link.key not in growing_links
                if rows and (is_last or _is_whole(link, rows.values())):
                    complete.append(Found(link, tuple(sorted(rows.values(), key=_beginning))))
                    self._finish(hunted, link)
        return complete

    def overdue(self) -> list[Found]:
        """Links without a row for which a sweep after the end of the waiting time found none."""
        overdue = list[Found]()
        for hunted in list(self._hunted_by_call.values()):
            deadline = hunted.call.accepted_at + self.wait_for
            if hunted.swept_at is None or hunted.swept_at < deadline:
                continue
            for link in hunted.call.links:
                if hunted.missing.get(link.key.link) == {}:
                    overdue.append(Found(link))
                    self._finish(hunted, link)
        return overdue

    def windows(self, *, at: datetime | None) -> list[Window]:
        """The spans to sweep at that time, or all that could be; what overlaps is joined."""
        spans = [
            Window(link.started_at - TOLERANCE, link.ended_at + TOLERANCE)
            for hunted in self._hunted_by_call.values()
            if at is None or hunted.sweep_at <= at
            for link in hunted.call.links
            if link.key.link in hunted.missing
        ]
        return _joined(spans)

    def swept(self, *, at: datetime) -> None:
        """The windows of `at` were looked through."""
        for hunted in self._hunted_by_call.values():
            if hunted.sweep_at <= at:
                hunted.swept_at = at
                deadline = hunted.call.accepted_at + self.wait_for
                hunted.sweep_gap *= _SWEEP_GROWTH
                following = at + hunted.sweep_gap
                hunted.sweep_at = min(following, deadline) if at < deadline else following

    @property
    def is_idle(self) -> bool:
        """True when nothing is looked for."""
        return not self._hunted_by_call

    @property
    def is_settling(self) -> bool:
        """True when a link has rows and might get more."""
        return any(rows for hunted in self._hunted_by_call.values() for rows in hunted.missing.values())

    def youngest(self) -> datetime | None:
        """When the call that was added last was accepted."""
        last = next(reversed(self._hunted_by_call.values()), None)
        return last.call.accepted_at if last else None

    def next_sweep(self) -> datetime | None:
        """When the next sweep is due."""
        return min((hunted.sweep_at for hunted in self._hunted_by_call.values()), default=None)

    def _owner(self, row: RecordingRow) -> AwaitedLink | None:
        hunted = self._hunted_by_call.get(self._call_by_row.get(row.id, ""))
        named = closest_of_call(row, hunted.call.links) if hunted is not None else None
        return named or self._index.owner(row)

    def _finish(self, hunted: _Hunted, link: AwaitedLink) -> None:
        del hunted.missing[link.key.link]
        if not hunted.missing:
            del self._hunted_by_call[hunted.call.call_id]
            self._call_by_row = {row: call for row, call in self._call_by_row.items() if call != hunted.call.call_id}
            for done in hunted.call.links:
                self._index.discard(done)


def _is_whole(link: AwaitedLink, rows: Iterable[RecordingRow]) -> bool:
    """True when the rows are together as long as the link; a row that does not tell its times is of unknown length."""
    recorded = timedelta()
    for row in rows:
        if row.started_at is None or row.ended_at is None:
            return False
        recorded += max(row.ended_at - row.started_at, timedelta())
    length = link.ended_at - link.started_at
    return recorded >= length - min(_SLACK, length / _SLACK_SHARE)


def _beginning(row: RecordingRow) -> tuple[float, int]:
    return (row.started_at.timestamp() if row.started_at else 0.0, row.id)


def _joined(spans: Collection[Window]) -> list[Window]:
    joined: list[Window] = []
    for span in sorted(spans, key=lambda span: span.begin):
        if joined and span.begin <= joined[-1].end:
            joined[-1] = Window(joined[-1].begin, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined
