"""What is asked of a connected PBX besides its frames: is this call over, where is routing, is the picture right.

A question that fails is not the end of the connection: it is asked again after a while, and the socket goes on. What
the socket shows is not asked: the list of active calls is read for calls without legs and for those in hidden queues.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from services.monitor.active_calls import ActiveCalls
from services.monitor.calls.sightings import as_of
from services.monitor.directory import read_numbering_plan
from services.monitor.log_questions import LogQuestions
from services.monitor.pace import stretched
from services.monitor.payloads import read_snapshot
from services.monitor.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime

    from services.monitor.calls.legs import ActiveCall, Leg
    from services.monitor.calls.tracker import CallTracker
    from services.monitor.feed import Feed
    from switchhook.events import CallId
    from switchhook.pbx.session import PbxSession
    from switchhook.runtime.clock import Clock
    from switchhook.settings import MonitorSettings, PbxSettings

log = logging.getLogger(__name__)

_QUIET = 2
"""So many times rarer is the look for calls that may have begun in a hidden queue, while none is known to be in one."""
_LATEST = 0.8
"""Of its interval after which a regular question may come: so those to many PBXs spread."""
_SNAPSHOT = "/callcontrol"
_LOST_BEFORE_NOTICED = timedelta(seconds=30)
"""A socket can be dead for so long before it is noticed."""
_ASK_PAUSE = timedelta(milliseconds=2)
"""Questions that come up meanwhile travel in one request."""
_LONGEST_WAIT = 5.0  # seconds; no question is due later, unless the clock was set back
_ASK_PAUSES = 5
"""So often at most while legs are being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which nobody watched, until now; `not_before` is when the PBX was followed for the first time."""

    lost_at: datetime
    not_before: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when on something may have been missed: a dead socket is noticed late."""
        since = self.lost_at - _LOST_BEFORE_NOTICED
        return since if self.not_before is None else max(since, self.not_before)


class Polls:
    """The questions to one PBX; `changed` is called after each answer that the tracker was told."""

    def __init__(
        self,
        pbx: PbxSettings,
        session: PbxSession,
        tracker: CallTracker,
        settings: MonitorSettings,
        *,
        clock: Clock,
        changed: Callable[[], None],
        report: Callable[[str, str | None], None],
    ) -> None:
        """`report` is told what is wrong with one kind of question, or (None) that nothing is."""
        self._session = session
        self._tracker = tracker
        self._settings = settings
        self._pbx = pbx.name
        self._did_names = pbx.did_names
        self._clock = clock
        self._changed = changed
        self._report = report
        self._vacancy = asyncio.Event()
        self._active_calls = ActiveCalls(session, clock)
        self._questions = Questions(pbx.name, clock=clock, report=report, denied_rests=settings.directory_interval)
        self.call_log = LogQuestions(session, self._questions, clock=clock)
        self._feed: Feed | None = None
        self._fits_message = True
        self._plan_read_at: datetime | None = None
        self._unlisted: set[CallId] = set()

    def look(self) -> None:
        """A call may have lost its last leg: see whether there is something to ask."""
        self._vacancy.set()

    async def know_plan(self) -> None:
        """Reads the numbering plan unless it was read not long ago: a socket may be lost again and again.

        Where there is an older one, a PBX that does not give it again is followed all the same.
        """
        read_at = self._plan_read_at
        if read_at is None:
            await self._read_plan()
        elif self._clock() - read_at > self._settings.directory_interval:
            await self._questions.ask_when_due("directory", self._read_plan)

    async def _read_plan(self) -> None:
        """A right that is missing becomes a problem, not an error."""
        visible = await self._session.get_json(_SNAPSHOT)
        plan, denied = await read_numbering_plan(self._session, visible=visible, configured_names=self._did_names)
        self._tracker.plan = plan
        self._plan_read_at = self._clock()
        self._report("directory", denied)
        if (denied is not None) != self._questions.is_denial_known:
            self._questions.is_denial_known = denied is not None
            if denied is None:
                log.info("pbx.directory_read", extra={"pbx": self._pbx})
            else:
                log.warning("pbx.directory_denied", extra={"pbx": self._pbx, "reason": denied})

    async def repair(self, gap: Gap | None, feed: Feed) -> None:
        """The truth after a gap: the legs that there are now, and what the call log has of the time before.

        `feed` is that of the connection: what fits into its messages is read over it from now on.
        """
        self._feed = feed
        asked_at = self._clock()
        legs = await self._read_legs()
        rows = await self._questions.ask("active_calls", self._active_calls.all) or ()
        if gap is None:
            await self.call_log.probe()
        else:
            since = gap.since
            arrivals = [call.arrived_at for call in self._tracker.calls if call.sequence]
            segments = await self.call_log.of_gap(min([since, *arrivals]))
            if segments:
                past = as_of(segments, legs, self._tracker.plan, at=asked_at)
                for _ in self._tracker.replaying(past, since=since, shown={leg.key for leg in legs}):
                    await asyncio.sleep(0)  # a lease is to be renewed, another PBX has something to say
        lost_at = gap.lost_at if gap else asked_at
        self._tracker.resync(legs, asked_at=asked_at, at=self._clock(), lost_at=lost_at, rows=rows)
        self._was_told()

    async def alive(self, numbers: Collection[int]) -> set[int]:
        """Those of the numbers whose calls live; empty where the PBX will not say."""
        ask = partial(self._active_calls.of, numbers, live=self._tracker.live)
        rows = await self._questions.ask_when_due("active_calls", ask)
        return {row.number for row in rows or ()} & set(numbers)

    async def _read_legs(self) -> list[Leg]:
        """Over the socket where the answer fits into a message, else over HTTP."""
        shown = await self._feed.read(_SNAPSHOT) if self._feed is not None and self._fits_message else None
        if shown is not None:
            self._session.answered(_SNAPSHOT, shown)
        else:
            self._fits_message = False  # until the directory is read again
            shown = await self._session.get_json(_SNAPSHOT)
            await asyncio.sleep(0)  # thousands of legs take a while: what came meanwhile goes first
        return read_snapshot(shown, self._tracker.plan, self._tracker.known_leg)

    async def _take_snapshot(self) -> None:
        """Finds what the frames did not tell: a Remove that never came.

        Where no call is known to live, the PBX's list of calls is a smaller question, and mostly the only one.
        """
        if not self._tracker.live:
            rows = await self._questions.ask_when_due("active_calls", self._active_calls.all)
            if rows is not None and not rows:
                return
        asked_at = self._clock()
        legs = await self._read_legs()
        await asyncio.sleep(0)
        self._tracker.resync(legs, asked_at=asked_at, at=self._clock())
        self._was_told()

    def _was_told(self) -> None:
        self._changed()
        self.look()

    async def run(self) -> None:
        """Asks until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_about_vacant_calls())
            tasks.create_task(self._follow_unshown_calls())
            snapshot = partial(self._questions.ask_when_due, "snapshot", self._take_snapshot)
            directory = partial(self._questions.ask, "directory", self._read_again)
            tasks.create_task(self._repeat(self._settings.idle_interval, snapshot))
            tasks.create_task(self._repeat(self._settings.directory_interval, directory))

    async def _read_again(self) -> None:
        """The numbering plan, and whether a right that was missing has been given meanwhile."""
        await self._read_plan()
        self._fits_message = True
        if self.call_log.is_failing:
            await self.call_log.probe()
        if self._questions.is_failing("active_calls"):
            await self._questions.ask("active_calls", self._active_calls.all)

    async def _ask_about_vacant_calls(self) -> None:
        while True:
            due_at = self._tracker.next_question_at()
            if due_at is None:
                await self._vacancy.wait()
                self._vacancy.clear()
                await self._gather()
                continue
            wait = (due_at - self._clock()).total_seconds()
            if wait > 0:
                self._vacancy.clear()
                try:
                    async with asyncio.timeout(min(wait, _LONGEST_WAIT)):
                        await self._vacancy.wait()
                except TimeoutError:
                    pass
                else:
                    await self._gather()
            await self._ask()

    async def _gather(self) -> None:
        """Mostly the leg that a call goes to is being read already; then there is nothing to ask."""
        for _ in range(_ASK_PAUSES):
            await asyncio.sleep(_ASK_PAUSE.total_seconds())
            if self._feed is None or not self._feed.is_reading:
                return

    async def _ask(self) -> None:
        asked_at = self._clock()
        numbers = self._tracker.questions(asked_at)
        if not numbers:
            return
        rows = await self._questions.ask_when_due(
            "active_calls", partial(self._active_calls.of, numbers, live=self._tracker.live)
        )
        if rows and self._tracker.plan.hidden:
            self._tracker.active_calls(rows, asked_at=asked_at, at=self._clock())
        self._tracker.answer(numbers, rows, asked_at=asked_at, at=self._clock())
        self._changed()

    async def _follow_unshown_calls(self) -> None:
        """Asks about the calls that the socket does not show fully, and now and then for such as are not known yet."""
        interval = self._settings.active_calls_interval
        rounds = 0
        while True:
            await asyncio.sleep(interval.total_seconds())
            rounds += 1
            if self._tracker.plan.hidden and rounds >= _QUIET:
                rounds = 0
                await self._look_at_all()
            elif numbers := self._tracker.unshown(before=self._clock() + interval):
                await self._look_at(partial(self._active_calls.of, numbers, live=self._tracker.live))

    async def _look_at(self, ask: Callable[[], Awaitable[Sequence[ActiveCall]]]) -> None:
        asked_at = self._clock()
        rows = await self._questions.ask_when_due("active_calls", ask)
        if rows:
            self._tracker.active_calls(rows, asked_at=asked_at, at=self._clock())
            self._was_told()

    async def _look_at_all(self) -> None:
        asked_at = self._clock()
        listed: set[int] = set()

        def is_old_news(number: int) -> bool:
            listed.add(number)
            return self._tracker.is_told_all(number)

        rows = await self._questions.ask_when_due("active_calls", partial(self._active_calls.all, skip=is_old_news))
        if rows is None:
            return
        self._tracker.active_calls(rows, asked_at=asked_at, at=self._clock())
        self._was_told()
        # A snapshot at once, if there are new ones; to a client with few rights the PBX may never list some calls.
        unlisted = self._tracker.unlisted(listed, asked_at=asked_at)
        if unlisted - self._unlisted:
            await self._questions.ask_when_due("snapshot", self._take_snapshot)
        self._unlisted = unlisted

    async def _repeat(self, interval: timedelta, ask: Callable[[], Awaitable[object]]) -> None:
        pause = interval
        while True:
            spread = random.uniform(_LATEST, 1.0)  # noqa: S311 - spreads questions, no secret
            await asyncio.sleep(pause.total_seconds() * spread)
            asked_at = self._clock()
            await ask()
            pause = stretched(interval, self._clock() - asked_at)
