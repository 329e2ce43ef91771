"""Which calls of the call log were never reported, and what is to be said about them.

A call is known by its runtime number and by the time in which it lived. Where the PBX's record has another number for a
call than its frames had, the two stand beside each other, at the same time: that is one call, not a missed one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.monitor.calls.history import CLOCKS_APART, is_shown
from services.monitor.calls.logged import LoggedCalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister
    from services.monitor.calls.tracker import CallTracker, Changes

_HANDED_ON = re.compile(r"\b(was replaced by|forwarded to)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Span:
    """One call of the log: its numbers, and the time in which it lived."""

    numbers: frozenset[int]
    since: datetime
    until: datetime
    rows: tuple[Segment, ...]


def unknown_calls(
    segments: Iterable[Segment], register: CallRegister, plan: NumberingPlan, *, since: datetime, until: datetime
) -> list[tuple[Segment, ...]]:
    """The rows of each call of this time, from its arrival to its end, that is neither live nor known to be over.

    Calls of which the PBX shows this client nothing are none of its business.
    """
    named: set[datetime] = set()
    unknown: list[_Span] = []
    for span in map(_span, LoggedCalls(segments)):
        known = _known(span, register)
        named.update(known)
        if not known and since <= span.since and span.until <= until and is_shown(span.rows, plan):
            unknown.append(span)
    if not unknown:
        return []
    others = _Others(register, named, since=since - CLOCKS_APART, until=until + CLOCKS_APART)
    return [span.rows for span in sorted(unknown, key=lambda span: span.since) if not others.take(span)]


def goes_on(rows: Iterable[Segment]) -> bool:
    """True when the last of the rows says that the call went on to somebody else, of whom there is no row."""
    last = max(rows, key=lambda row: row.ended_at)
    return _HANDED_ON.search(last.reason) is not None


def told_whole(rows: Sequence[Segment], tracker: CallTracker, *, at: datetime) -> Changes | None:
    """What is to be said about a call that nobody saw, by the rules for every call; None when it is not reported.

    The tracker must know no other call: the number may be that of one that lives now.
    """
    tracker.replay(rows, since=min(row.started_at for row in rows), shown=())
    tracker.answer(tracker.questions(at), (), asked_at=at, at=at)
    changes = tracker.take()
    return changes if changes.events else None


def _span(rows: Sequence[Segment]) -> _Span:
    numbers = frozenset(number for row in rows for number in (row.key.number, row.main.number))
    since = min(min(row.key.arrived_at, row.main.arrived_at, row.started_at) for row in rows)
    return _Span(numbers, since, max(row.ended_at for row in rows), tuple(rows))


def _known(span: _Span, register: CallRegister) -> set[datetime]:
    """When the calls arrived that this one may be: those of one of its numbers, and of about its time."""
    past = [one for number in span.numbers for one in register.past.living(number, since=span.since, until=span.until)]
    live = [call for number in span.numbers if (call := register.by_number(number)) is not None]
    arrived = {one.key.arrived_at for one in past}
    return arrived | {call.arrived_at for call in live if call.arrived_at <= span.until + CLOCKS_APART}


class _Others:
    """Calls that were reported and that the log does not have under their numbers; each is taken for one call of it."""

    def __init__(self, register: CallRegister, named: set[datetime], *, since: datetime, until: datetime) -> None:
        """`named` tells when those arrived that the log has under their numbers."""
        past = {(one.key.arrived_at, one.ended_at) for one in register.past.within(since, until)}
        live = [(call.arrived_at, None) for call in register]
        self._times = [(arrived_at, ended_at) for arrived_at, ended_at in (*past, *live) if arrived_at not in named]

    def take(self, span: _Span) -> bool:
        """True when one of them lived at the same time, of those that live now: arrived then."""
        for arrived_at, ended_at in self._times:
            is_end_same = ended_at is None or abs(ended_at - span.until) <= CLOCKS_APART
            if abs(arrived_at - span.since) <= CLOCKS_APART and is_end_same:
                self._times.remove((arrived_at, ended_at))
                return True
        return False
