"""The proof that no call was missed: again and again the PBX's call log is compared with what was reported.

A call that the log has and that nobody reported is told whole, with its true times, counted, and named in the log: it
shows a defect, or an interface that lost something in every way in which it could be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.history import CLOCKS_APART
from services.monitor.calls.unreported import goes_on, told_whole, unknown_calls
from services.monitor.ledger import PAST_LIFE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.tracker import CallTracker, Changes
    from services.monitor.ledger import CallLedger, Kept
    from services.monitor.log_questions import LogQuestions
    from switchhook.runtime.clock import Clock

_LONGEST_SETTLING = timedelta(minutes=3)
"""Calls that ended so shortly ago are left to the next time: their rows may not all be there."""
_OVERLAP = timedelta(hours=1)
"""By so much the time that is compared reaches back behind the last one: the log lists a segment under its beginning,
once it has ended."""
_BEYOND_A_GAP = timedelta(seconds=10)
"""And so much later calls are compared once a gap is over: when it was told, the log may not have had its last rows."""
_RETRIES_IN_INTERVAL = 10  # where the PBX did not answer


class Proof:
    """That of one PBX; `run` makes it, in a task of its own."""

    def __init__(
        self,
        tracker: CallTracker,
        call_log: LogQuestions,
        ledger: CallLedger,
        *,
        alive: Callable[[Collection[int]], Awaitable[set[int]]],
        interval: timedelta,
        told: Callable[[Changes], None],
        proven: Callable[[datetime], None],
        clock: Clock,
    ) -> None:
        """`alive` gives those numbers whose calls live.

        `told` hears of every unreported call once its events are durable, `proven` until when there are no more.
        """
        self._tracker = tracker
        self._call_log = call_log
        self._alive = alive
        self._ledger = ledger
        self._interval = interval
        self._settling = min(_LONGEST_SETTLING, interval / 2)
        self._told = told
        self._proven = proven
        self._clock = clock
        self._followed = asyncio.Event()
        self._stirred = asyncio.Event()
        self._floor = self._proven_until = self._due_at = clock()
        self._due_after_gap: datetime | None = None

    def begin(self, kept: Kept) -> None:
        """Goes on from what was kept. Nothing is proven of the time before the PBX was followed for the first time."""
        now = self._clock()
        self._floor = kept.first_followed_at or now
        self._proven_until = min(kept.proven_until or self._floor, now)
        self._due_at = self._proven_until + self._settling + self._interval

    def follow(self, is_followed: bool) -> None:
        """The PBX is followed from now on, or not any more."""
        if not is_followed:
            self._followed.clear()
            return
        self._followed.set()
        self._due_after_gap = self._clock() + _BEYOND_A_GAP + self._settling
        self._stirred.set()

    async def run(self) -> None:
        """Proves until cancelled."""
        while True:
            self._stirred.clear()
            due_at = min(self._due_at, self._due_after_gap or self._due_at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, (due_at - self._clock()).total_seconds())):
                    await self._stirred.wait()
                continue
            await self._followed.wait()
            if self._due_after_gap is not None and self._due_after_gap <= self._clock():
                self._due_after_gap = None
            pause = self._interval if await self._prove() else self._interval / _RETRIES_IN_INTERVAL
            self._due_at = self._clock() + pause * random.uniform(0.9, 1.0)  # noqa: S311 - many PBXs, not all at once

    async def _prove(self) -> bool:
        """One comparison; False when the PBX did not answer, or will not."""
        now = self._clock()
        past = self._tracker.register.past
        until = now - self._settling
        since = max(
            min(self._proven_until, until) - _OVERLAP,
            self._floor,
            now - PAST_LIFE + _OVERLAP,  # reported calls are remembered for as long as they may be compared
            past.forgotten_until or self._floor,
        )
        if since >= until:
            return True
        segments = await self._call_log.within([(since - CLOCKS_APART, now)])
        if segments is None:
            return self._call_log.is_refused
        told = [
            told_whole(rows, self._tracker.blank(), at=self._clock())
            for rows in await self._missing(segments, since=since, until=until)
        ]
        unreported = [changes for changes in told if changes is not None]
        for changes in unreported:
            for call in changes.over:
                self._tracker.register.over(call, call.last_at)
        unreported = list(await self._ledger.prove(unreported, until=until))
        past.forget(now - PAST_LIFE)
        self._proven_until = until
        self._proven(until)
        for changes in unreported:
            self._told(changes)
        return True

    async def _missing(
        self, segments: Sequence[Segment], *, since: datetime, until: datetime
    ) -> list[tuple[Segment, ...]]:
        """The calls that nobody reported, and that are over: of one that lives the log has the beginning."""
        register, plan = self._tracker.register, self._tracker.plan
        missing = unknown_calls(segments, register, plan, since=since, until=until)
        if not missing:
            return []
        alive = await self._alive({row.key.number for rows in missing for row in rows})
        over = {
            rows[0].main
            for rows in missing
            # What went on without a row for it is left to the next time, and told then.
            if not goes_on(rows) or max(row.ended_at for row in rows) <= until - self._interval
            if alive.isdisjoint(row.key.number for row in rows)
        }
        # It may have been reported meanwhile.
        missing = unknown_calls(segments, register, plan, since=since, until=until)
        return [rows for rows in missing if rows[0].main in over]
