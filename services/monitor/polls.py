"""What is asked of a connected PBX besides its frames: is this call over, where is routing, is the picture right.

A question that fails is not the end of the connection: it is asked again, and the socket goes on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from services.monitor.call_log import read_call_log
from services.monitor.calls.history import CLOCKS_APART
from services.monitor.directory import read_numbering_plan
from services.monitor.payloads import read_active_calls, read_snapshot
from switchhook.errors import PbxAnswer, PbxError, PbxForbidden, PbxNotFound, PbxUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import ActiveCall
    from services.monitor.calls.tracker import CallTracker
    from switchhook.events import CallId
    from switchhook.pbx.session import PbxSession
    from switchhook.runtime.clock import Clock
    from switchhook.settings import MonitorSettings, PbxSettings

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_FILTERED_NUMBERS = 20
"""Calls asked for by number in one request; with more, the whole list is the shorter question."""
_LOST_BEFORE_NOTICED = timedelta(seconds=30)
"""A socket can be dead for so long before it is noticed."""
_NOT_YET = timedelta(minutes=1)
"""Rows of the call log are asked for until so far into the future, lest the last ones be left out."""
_ASK_PAUSE = timedelta(milliseconds=2)
"""Questions that come up meanwhile travel in one request."""


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
        self._failing: set[str] = set()
        self._refused: set[str] = set()
        self._busy_until: datetime | None = None
        self._is_denied = False
        self._unlisted: set[CallId] = set()

    def look(self) -> None:
        """A call may have lost its last leg: see whether there is something to ask."""
        self._vacancy.set()

    async def read_plan(self) -> None:
        """Reads the numbering plan; a right that is missing becomes a problem, not an error."""
        visible = await self._session.get_json("/callcontrol")
        plan, denied = await read_numbering_plan(self._session, visible=visible, configured_names=self._did_names)
        self._tracker.plan = plan
        self._report("directory", denied)
        if (denied is not None) != self._is_denied:
            self._is_denied = denied is not None
            if denied is None:
                log.info("pbx.directory_read", extra={"pbx": self._pbx})
            else:
                log.warning("pbx.directory_denied", extra={"pbx": self._pbx, "reason": denied})

    async def repair(self, gap: Gap | None) -> None:
        """The truth after a gap: the legs that there are now, and what the call log has of the time before."""
        asked_at = self._clock()
        legs = read_snapshot(await self._session.get_json("/callcontrol"), self._tracker.plan)
        rows = await self._attempt("active_calls", lambda: self._active_calls(())) or ()
        if gap is None:
            await self._attempt("call_log", lambda: self._call_log(asked_at))  # to know whether it may be read
        else:
            since = gap.since
            arrivals = [call.arrived_at for call in self._tracker.calls if call.sequence]
            segments = await self._attempt("call_log", lambda: self._call_log(min([since, *arrivals])))
            if segments:
                self._tracker.replay(segments, since=since, shown={leg.key for leg in legs})
        lost_at = gap.lost_at if gap else asked_at
        self._tracker.resync(legs, asked_at=asked_at, at=self._clock(), lost_at=lost_at, rows=rows)
        self._was_told()

    @property
    def is_log_refused(self) -> bool:
        """True when the call log is of no use to this client; asked again with the numbering plan."""
        return "call_log" in self._refused

    async def logged(
        self, periods: Sequence[tuple[datetime, datetime]], *, numbers: AbstractSet[int] | None = None
    ) -> list[Segment] | None:
        """What the call log has of these times, of all calls or of those with these numbers; None without an answer.

        A PBX that asked to be left alone for a while is not asked before that is over.
        """
        if self._busy_until is not None and self._clock() < self._busy_until:
            return None

        async def ask() -> list[Segment]:
            return [
                segment
                for since, until in periods
                for segment in await read_call_log(self._session, since=since, until=until, numbers=numbers)
            ]

        return await self._attempt("call_log", ask)

    async def alive(self, numbers: Collection[int]) -> set[int]:
        """Those of the numbers whose calls live; empty where the PBX will not say."""
        rows = await self._attempt("active_calls", lambda: self._active_calls(numbers))
        return {row.number for row in rows or ()} & set(numbers)

    async def _call_log(self, since: datetime) -> Sequence[Segment]:
        until = self._clock() + _NOT_YET
        return await read_call_log(self._session, since=since - CLOCKS_APART, until=until)

    async def _take_snapshot(self) -> None:
        """Finds what the frames did not tell: a Remove that never came."""
        asked_at = self._clock()
        legs = read_snapshot(await self._session.get_json("/callcontrol"), self._tracker.plan)
        self._tracker.resync(legs, asked_at=asked_at, at=self._clock())
        self._was_told()

    def _was_told(self) -> None:
        self._changed()
        self.look()

    async def run(self) -> None:
        """Asks until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_about_vacant_calls())
            tasks.create_task(self._follow_hidden_routing())
            tasks.create_task(self._repeat(self._settings.idle_interval, "snapshot", self._take_snapshot))
            tasks.create_task(self._repeat(self._settings.directory_interval, "directory", self._read_again))

    async def _read_again(self) -> None:
        """The numbering plan, and whether a right that was missing has been given meanwhile."""
        await self.read_plan()
        if "call_log" in self._failing:
            await self._attempt("call_log", lambda: self._call_log(self._clock()))
        if "active_calls" in self._failing:
            await self._attempt("active_calls", lambda: self._active_calls(()))

    async def _ask_about_vacant_calls(self) -> None:
        while True:
            due_at = self._tracker.next_question_at()
            if due_at is None:
                await self._vacancy.wait()
                self._vacancy.clear()
                await asyncio.sleep(_ASK_PAUSE.total_seconds())
                continue
            wait = (due_at - self._clock()).total_seconds()
            if wait > 0:
                self._vacancy.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._vacancy.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(_ASK_PAUSE.total_seconds())
            await self._ask()

    async def _ask(self) -> None:
        asked_at = self._clock()
        numbers = self._tracker.questions(asked_at)
        if not numbers:
            return
        rows = await self._attempt("active_calls", lambda: self._active_calls(numbers))
        self._tracker.answer(numbers, rows, asked_at=asked_at, at=self._clock())
        self._changed()

    async def _follow_hidden_routing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.active_calls_interval.total_seconds())
            if not (self._tracker.plan.hides_routing() or self._tracker.lacks_a_number()):
                continue
            asked_at = self._clock()
            rows = await self._attempt("active_calls", lambda: self._active_calls(()))
            if rows is not None:
                self._tracker.active_calls(rows, asked_at=asked_at, at=self._clock())
                self._was_told()
                await self._look_for_unlisted(self._tracker.unlisted(rows, asked_at=asked_at))

    async def _look_for_unlisted(self, calls: set[CallId]) -> None:
        """A snapshot at once, if there are new ones; to a client with few rights the PBX may never list some calls."""
        if calls - self._unlisted:
            await self._attempt("snapshot", self._take_snapshot)
        self._unlisted = calls

    async def _active_calls(self, numbers: Collection[int]) -> Sequence[ActiveCall]:
        """Rows of these calls, or of all; more rows than asked for do no harm."""
        params: dict[str, str] = {}
        if 0 < len(numbers) <= _FILTERED_NUMBERS:
            params["$filter"] = " or ".join(f"Id eq {number}" for number in numbers)
        collection = await self._session.get_json("/xapi/v1/ActiveCalls", params)
        return read_active_calls(collection, now=self._clock())

    async def _repeat(self, interval: timedelta, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(interval.total_seconds())
            await self._attempt(name, ask)

    async def _attempt(self, name: str, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """None when the PBX would not answer; said once, and once more when it does again."""
        try:
            answer = await ask()
        except PbxError as error:
            if isinstance(error, PbxForbidden | PbxNotFound | PbxAnswer):
                self._refused.add(name)
            if isinstance(error, PbxUnreachable) and error.retry_after is not None:
                self._busy_until = self._clock() + error.retry_after
            if name not in self._failing:
                self._failing.add(name)
                self._report(name, str(error))
                # One missing right shows in several questions, and that of the directory was a warning already.
                level = logging.INFO if self._is_denied and isinstance(error, PbxForbidden) else logging.WARNING
                facts = {"pbx": self._pbx, "question": name, "reason": str(error)}
                log.log(level, "pbx.question_failed", extra=facts)
            return None
        self._refused.discard(name)
        if name in self._failing:
            self._failing.discard(name)
            self._report(name, None)
            log.info("pbx.question_answered", extra={"pbx": self._pbx, "question": name})
        return answer
