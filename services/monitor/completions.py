"""The completed event of every call that was reported: some seconds after its end, once, from the PBX's call log.

The log is asked about all calls that are owed in one request, soon after the first of them ended and ever later, for a
row comes some time after its segment ended. What the log does not have in time, or may not tell, is told from what was
seen of the call: recordings have the places behind the completed event, and must not wait long for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.logged import LoggedCalls, merged, period_of
from services.monitor.calls.summary import from_call_log, from_own_clock, is_told_by
from switchhook.events import EventType, Summary, event_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.ledger import CallLedger
    from services.monitor.log_questions import LogQuestions
    from switchhook.events import CallId, Event
    from switchhook.runtime.clock import Clock

_FIRST_ASK = timedelta(seconds=1)
"""After the end; the next questions are at twice that time each."""
_PATIENCE = timedelta(seconds=10)
"""After it became known that the call is over."""
_RECORDED_WITHIN = timedelta(seconds=3)
"""So long a call whose rows are there is asked about again for the ids of its recordings."""
_SOON = timedelta(milliseconds=500)
"""What is due so soon after is asked about in the same request."""
_BETWEEN_ASKS = timedelta(seconds=2)
"""Each answer has all that began while the owed calls lived: of a busy PBX a thousand rows for three minutes."""
_SHARE_OF_TIME = 4  # pauses are at least so many times as long as the question took
_LONGEST_PAUSE = timedelta(seconds=3)
_APART = timedelta(seconds=30)
"""Calls that arrived so far from each other are looked for in separate times, rather than in all that lies between."""


@dataclass(slots=True, kw_only=True)
class _Owed:
    """A call whose completed event is to come; `rows` is what the log had of it the last time."""

    final: Event
    since: datetime
    ask_at: datetime
    give_up_at: datetime
    asks: int = 0
    rows: list[Segment] = field(default_factory=list)


class Completions:
    """Those of one PBX; `run` tells them, in a task of its own."""

    def __init__(
        self,
        call_log: LogQuestions,
        ledger: CallLedger,
        *,
        plan: Callable[[], NumberingPlan],
        is_followed: Callable[[], bool],
        told: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        """`told` hears of every event once it is durable."""
        self._call_log = call_log
        self._ledger = ledger
        self._plan = plan
        self._is_followed = is_followed
        self._told = told
        self._clock = clock
        self._owed: dict[CallId, _Owed] = {}
        self._stirred = asyncio.Event()
        self._ask_not_before: datetime | None = None

    def owe(self, finals: Iterable[Event]) -> None:
        """These calls are over, and that is durable."""
        now = self._clock()
        for final in finals:
            self._owed[final.call.id] = _Owed(
                final=final,
                since=max(final.occurred_at, now - _FIRST_ASK),
                ask_at=max(final.occurred_at + _FIRST_ASK, now),
                give_up_at=now + _PATIENCE,
            )
        self._stirred.set()

    def look(self) -> None:
        """The PBX is followed again."""
        self._stirred.set()

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            self._stirred.clear()
            due_at = self._next_at()
            wait = None if due_at is None else max(0.0, (due_at - self._clock()).total_seconds())
            try:
                async with asyncio.timeout(wait):
                    await self._stirred.wait()
                continue
            except TimeoutError:
                await self._tell_due()

    def _next_at(self) -> datetime | None:
        """When there is something to do; None: not before something happens."""
        if not self._owed:
            return None
        if self._call_log.is_refused:
            return self._clock()
        give_up_at = min(owed.give_up_at for owed in self._owed.values())
        if not self._is_followed():
            return give_up_at
        ask_at = min(owed.ask_at for owed in self._owed.values())
        return min(give_up_at, max(ask_at, self._ask_not_before or ask_at))

    async def _tell_due(self) -> None:
        now = self._clock()
        can_ask = self._is_followed() and not self._call_log.is_refused
        if can_ask and (self._ask_not_before is None or self._ask_not_before <= now):
            due = [owed for owed in self._owed.values() if owed.ask_at <= now + _SOON]
            if any(owed.ask_at <= now for owed in due):
                await self._ask(due)
        plan = self._plan()
        events = [
            _completed(owed.final, summary, at=self._clock())
            for owed in list(self._owed.values())
            if (summary := self._summary(owed, plan)) is not None
        ]
        if not events:
            return
        await self._ledger.complete(events)
        for event in events:
            del self._owed[event.call.id]
            self._told(event)

    async def _ask(self, due: Sequence[_Owed]) -> None:
        asked_at = self._clock()
        periods = merged((period_of(owed.final) for owed in due), apart=_APART)
        numbers = {number for owed in due for number in owed.final.call.numbers}
        wait = max(min(owed.give_up_at for owed in self._owed.values()) - asked_at, _BETWEEN_ASKS)
        segments = None
        with contextlib.suppress(TimeoutError):  # an answer that comes later than that is of no use
            async with asyncio.timeout(wait.total_seconds()):
                segments = await self._call_log.within(periods, numbers=numbers)
        now = self._clock()
        pause = min(max(_SHARE_OF_TIME * (now - asked_at), _BETWEEN_ASKS), _LONGEST_PAUSE)
        self._ask_not_before = now + pause
        logged = LoggedCalls(segments or ())
        for owed in due:
            owed.asks += 1
            owed.ask_at = max(owed.since + _FIRST_ASK * 2**owed.asks, now)
            owed.rows = logged.of(owed.final) or owed.rows

    def _summary(self, owed: _Owed, plan: NumberingPlan) -> Summary | None:
        """The figures, once they are known as well as they will be in time."""
        is_late = self._call_log.is_refused or owed.give_up_at <= self._clock()
        if is_told_by(owed.rows, owed.final, plan, to_the_end=not is_late):
            summary = from_call_log(owed.final, owed.rows, plan)
            if is_late or summary.recording_ids or not owed.final.call.links:
                return summary
            if owed.since + _RECORDED_WITHIN <= self._clock():
                return summary
            owed.ask_at = min(owed.ask_at, owed.since + _RECORDED_WITHIN)
            return None
        return from_own_clock(owed.final) if is_late else None


def _completed(final: Event, summary: Summary, *, at: datetime) -> Event:
    """The event that tells it. Its moment is that of the end, lest it be later than that of a recording behind it."""
    sequence = final.sequence + 1
    return replace(
        final,
        id=event_id(final.pbx, final.call.id, sequence),
        type=EventType.COMPLETED,
        sequence=sequence,
        observed_at=max(at, final.occurred_at),
        summary=summary,
        completion_follows=False,
    )
