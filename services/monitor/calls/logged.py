"""Rows of the call log, sorted by the calls that they tell of.

A call has several rows, under its own number and under those of consultations that were joined to it. The PBX's record
and what was seen are matched by number and time: the clocks need not agree to the second.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.history import CLOCKS_APART

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from services.monitor.calls.history import CallKey, Segment
    from switchhook.events import Call, Event

SAME_MOMENT = timedelta(seconds=3)
"""By so much the ends of one call may differ between the PBX's record and what was seen."""
_ROW_MAY_BEGIN = timedelta(minutes=10)
"""So long after the last stay that was seen, rows are looked for that nobody saw begin."""


class LoggedCalls:
    """The rows of a time, by call."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._by_number: dict[int, list[Segment]] = {}
        self._by_main: dict[CallKey, list[Segment]] = {}
        for segment in dict.fromkeys(segments):  # a row may be on two pages
            self._by_number.setdefault(segment.key.number, []).append(segment)
            self._by_main.setdefault(segment.main, []).append(segment)

    def __iter__(self) -> Iterator[list[Segment]]:
        """The rows of each whole call, joined ones together."""
        return iter(self._by_main.values())

    def of(self, final: Event) -> list[Segment]:
        """The rows of the call whose final end this is; empty when the log has none."""
        call = final.call
        first = self._first(call)
        if first is None:
            return []
        rows = dict.fromkeys(self._by_main[first.main])
        for number in call.numbers[1:]:
            rows |= dict.fromkeys(
                row
                for row in self._by_number.get(number, ())
                if call.arrived_at - CLOCKS_APART <= row.key.arrived_at <= final.occurred_at
            )
        return list(rows)

    def _first(self, call: Call) -> Segment | None:
        """A row under the call's own number: of those with that number the one whose call arrived when it did.

        A call may have been seen long after it arrived; then it is the one that was under way at that time.
        """
        rows = self._by_number.get(call.numbers[0], ())
        nearest = min(rows, key=lambda row: abs(row.key.arrived_at - call.arrived_at), default=None)
        if nearest is None or nearest.key.is_same(nearest.key.number, call.arrived_at):
            return nearest
        lived = [row for row in rows if row.key.arrived_at < call.arrived_at <= row.ended_at]
        return max(lived, key=lambda row: row.key.arrived_at, default=None)


def arrival_shift(call: Call, rows: Sequence[Segment]) -> timedelta:
    """By how much the call was seen later than its rows say; zero where the call was not seen arriving."""
    shifts = [call.arrived_at - row.key.arrived_at for row in rows if row.key.number == call.numbers[0]]
    return next((shift for shift in shifts if abs(shift) <= CLOCKS_APART), timedelta())


def period_of(final: Event) -> tuple[datetime, datetime]:
    """The time in which the call's rows begin."""
    call = final.call
    last = max(call.arrived_at, *(one.joined_at for one in call.participants)) if call.participants else call.arrived_at
    until = min(final.occurred_at, last + _ROW_MAY_BEGIN)
    return call.arrived_at - CLOCKS_APART, max(until, last) + CLOCKS_APART


def merged(periods: Iterable[tuple[datetime, datetime]], *, apart: timedelta) -> list[tuple[datetime, datetime]]:
    """The same time in fewer periods: those that overlap, or stand less than `apart` from each other, become one."""
    together: list[tuple[datetime, datetime]] = []
    for since, until in sorted(periods):
        if together and since - together[-1][1] < apart:
            together[-1] = together[-1][0], max(until, together[-1][1])
        else:
            together.append((since, until))
    return together
