"""Lanes: the deliveries of one endpoint, each call's one after the other, different calls side by side.

Theory of operation. Which delivery of a call may go is a fact of the table (`deliveries`): only heads are ever given
out. So no queue per call is kept here, only some heads that are due (`ready`): those that intake has just committed,
those that a finished delivery has made heads, and, when there are more than fit, pages from the table (`is_behind`). A
head is `taken` from the moment it is here until what came of it is committed; a page may show a taken head again, and
is read beside settlements, so heads that left while it was read are not believed either. While the gate is shut
everything stays in the table (it is parked); what opens it is a probe, or an operator.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.gate import EndpointState
from services.dispatcher.pages import Pages
from services.dispatcher.ready import Rank, Ready, Turn
from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from services.dispatcher.claims import Claims
    from services.dispatcher.deliveries import Deliveries, Head
    from services.dispatcher.gate import Gate
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

PAGE = 128  # heads read at once, at most
DRAIN = timedelta(seconds=5)
STORAGE_PAUSE = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=1)
POLL = timedelta(milliseconds=500)  # between looks for what other dispatchers left, where there are any
SHORTEST_WAIT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of a turn: the lane's new head, or when this one is due again, or neither."""

    next_head: Head | None = None
    due_at: datetime | None = None


class Lanes:
    """One endpoint's. `deliver` makes the attempt and comes back when its result is committed; it does not raise."""

    def __init__(
        self,
        endpoint: str,
        *,
        deliveries: Deliveries,
        claims: Claims,
        deliver: Callable[[Turn], Awaitable[Settled]],
        gate: Gate,
        may_probe: Callable[[], Awaitable[bool]],
        concurrency: int,
        clock: Clock,
    ) -> None:
        """`concurrency` is for all dispatchers together. `may_probe` is asked before each probe."""
        self._endpoint = endpoint
        self._pages = Pages(endpoint, deliveries, claims)
        self._claims = claims
        self._deliver = deliver
        self._gate = gate
        self._may_probe = may_probe
        self._most_at_once = concurrency
        self._clock = clock
        self._ready = Ready()
        self._taken: set[int] = set()
        self._left_while_reading: set[int] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._state = EndpointState.ACTIVE
        self._is_behind = True  # whatever the table holds from before
        self._is_probing = False
        self._due_at: datetime | None = None  # when the table has more
        self._polled_at = clock()
        self._start_at: datetime | None = None  # when the gate lets the next one through
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled; then let the attempts under way finish, for a few seconds."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._feed()
            finally:
                self._group = None
                if self._workers:
                    await asyncio.wait(self._workers, timeout=DRAIN.total_seconds())

    def offer(self, turn: Turn) -> None:
        """A head that was just committed; it goes at once, or when its page is read."""
        if turn.head.event not in self._taken and not self._take(turn):
            self._fall_behind()

    @property
    def _concurrency(self) -> int:
        return self._claims.share_of(self._most_at_once)

    @property
    def _page(self) -> int:
        # What waits here cannot be attempted by others.
        return min(PAGE, self._concurrency) if self._claims.is_shared else PAGE

    @property
    def has_room(self) -> bool:
        """A head that is committed now would soon be attempted here."""
        return self._gate.state is EndpointState.ACTIVE and not self._is_behind and len(self._ready) < self._concurrency

    @property
    def under_way(self) -> int:
        """How many heads are here, attempted at the moment or soon."""
        return len(self._taken)

    def look(self) -> None:
        """The table has more than was offered, or the gate has changed."""
        self._is_behind = True
        self._wake.set()

    def reserve(self, event: int) -> bool:
        """Keep a head from being attempted until `leave`; False when it is under way already."""
        if event in self._taken:
            return False
        self._taken.add(event)
        return True

    def leave(self, event: int) -> None:
        """The head is not under way any more."""
        self._taken.discard(event)
        if self._left_while_reading is not None:
            self._left_while_reading.add(event)

    async def _feed(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock()
            self._gate.share(self._claims.replicas, now=now)
            await self._follow_gate(now)
            if self._due_at is not None and self._due_at <= now:
                self._is_behind, self._due_at = True, None
            if self._claims.is_shared and self._polled_at + POLL <= now:
                self._is_behind = True
            if self._is_behind and self._may_read(now):
                await self._read(now)
                continue
            if self._gate.drain is not None and not self._is_behind and not self._ready.waiting:
                self._gate.drained()
            if self._start_at is None or self._start_at <= now:
                self._start_at = None
                self._start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest(now).total_seconds()):
                    await self._wake.wait()

    async def _follow_gate(self, now: datetime) -> None:
        state = self._gate.state
        if state is self._state:
            return
        self._state, self._is_behind = state, True
        if state is EndpointState.ACTIVE:
            self._pages.recovered(now)
            return
        for turn in self._ready.clear():
            self.leave(turn.head.event)
        await self._claims.give_back(self._endpoint, keep=self._taken)

    def _may_read(self, now: datetime) -> bool:
        if not self._claims.is_valid:
            return False
        match self._state:
            case EndpointState.ACTIVE:
                return self._ready.waiting < self._page
            case EndpointState.OPEN:
                probe_at = self._gate.probe_at
                is_free = not self._is_probing and len(self._workers) < self._concurrency
                return is_free and probe_at is not None and probe_at <= now
            case EndpointState.PAUSED:
                return False

    def _rest(self, now: datetime) -> timedelta:
        """How long there is nothing to do, if nobody wakes it."""
        moments = [self._due_at, self._start_at if self._ready else None]
        probe_at = self._gate.probe_at
        if self._is_behind and probe_at is not None and probe_at > now:
            moments.append(probe_at)
        waits = [moment - now for moment in moments if moment is not None]
        return max(min([*waits, POLL if self._claims.is_shared else LONGEST_WAIT]), SHORTEST_WAIT)

    async def _read(self, now: datetime) -> None:
        # What is offered or postponed from here on may be newer than the page: it counts again.
        self._is_behind, self._due_at, self._polled_at = False, None, now
        self._left_while_reading = left = set[int]()
        is_probe = self._state is EndpointState.OPEN
        try:
            read = self._pages.probe if is_probe else self._pages.read
            page = await read(now=now, limit=self._page, taken=self._taken)
        except StorageError as error:
            log.warning("deliveries.unreadable", extra={"endpoint": self._endpoint, "error": str(error)})
            self._is_behind = True
            await asyncio.sleep(STORAGE_PAUSE.total_seconds())
            return
        finally:
            self._left_while_reading = None
        self._is_behind |= page.is_more
        self._expect(page.due_at)
        if is_probe and page.turns and not await self._may_probe():
            self._is_behind = True
            await self._claims.give_back(self._endpoint, keep=self._taken)
            return
        for turn in page.turns:
            if turn.head.event in self._taken or turn.head.event in left:
                continue
            if is_probe:
                self._probe(turn)
            elif not self._take(turn):
                self._is_behind = True

    def _take(self, turn: Turn, *, first: bool = False) -> bool:
        """Let the turn wait here for its start; False when there is no room, or nothing may start anyway."""
        is_possible = self._gate.state is EndpointState.ACTIVE and self._claims.holds(turn.head)
        if not is_possible or not self._ready.add(turn, first=first):
            return False
        self._taken.add(turn.head.event)
        self._start()
        return True

    def _probe(self, turn: Turn) -> None:
        if self._group is None or self._gate.state is not EndpointState.OPEN:
            return
        self._is_probing = self._is_behind = True
        self._taken.add(turn.head.event)
        self._gate.started(now=self._clock(), is_probe=True)
        self._employ(self._group, turn)

    def _start(self) -> None:
        """Employ as many workers as there are turns that may go now."""
        while self._group is not None and len(self._workers) < self._concurrency:
            turn = self._pick()
            if turn is None:
                break
            self._employ(self._group, turn)

    def _employ(self, group: asyncio.TaskGroup, turn: Turn) -> None:
        self._workers.add(group.create_task(self._work(turn)))

    def _pick(self) -> Turn | None:
        """The turn that may go now, if there is one; else `start_at` is when to ask again."""
        if not self._ready or self._gate.state is not EndpointState.ACTIVE:
            return None
        now = self._clock()
        wait, drain = self._gate.wait(now), self._gate.drain
        if wait:
            self._start_later(now + wait)
            return None
        if drain is None:
            turn = self._ready.take()
        else:
            wait = drain.wait(now)
            turn = None if wait else self._ready.take_waiting()
            if turn is not None:
                drain.take(now)
            turn = turn or self._ready.take_fresh()
        if turn is None:
            self._start_later(now + wait)
            return None
        self._gate.started(now=now)
        return turn

    def _start_later(self, at: datetime) -> None:
        if self._start_at is None or at < self._start_at:
            self._start_at = at
            self._wake.set()

    async def _work(self, first: Turn) -> None:
        turn: Turn | None = first
        try:
            while turn is not None:
                await self._finish(turn)
                turn = self._pick() if self._group is not None and len(self._workers) <= self._concurrency else None
        finally:
            # In this very step: a head that is offered before the loop runs callbacks of the task finds its place free.
            if (worker := asyncio.current_task()) is not None:
                self._workers.discard(worker)

    async def _finish(self, turn: Turn) -> None:
        # A turn may have waited here for longer than its claim lasts.
        is_ours = self._claims.holds(turn.head)
        settled = await self._deliver(turn) if is_ours else Settled()
        self.leave(turn.head.event)
        if not is_ours:
            self._fall_behind()
        self._expect(settled.due_at)
        if settled.next_head is not None:
            self._go_on(settled.next_head, turn.rank)
        if turn.rank is Rank.PROBE:
            self._is_probing = False
        if self._gate.state is not self._state or self._is_short:
            self._wake.set()

    @property
    def _is_short(self) -> bool:
        """There is something to do for the feed: a page to read, a drain to end, a probe to make."""
        return self._ready.waiting < self._page and (self._is_behind or self._gate.drain is not None)

    def _go_on(self, head: Head, rank: Rank) -> None:
        """The lane's next delivery keeps the place of the one before; that of a live call goes first."""
        rank = Rank.LIVE if rank is Rank.PROBE else rank
        turn = replace(Turn(head), rank=rank)
        if head.event not in self._taken and not self._take(turn, first=rank is Rank.LIVE):
            self._fall_behind()

    def _fall_behind(self) -> None:
        if not self._is_behind:
            self._is_behind = True
            self._wake.set()

    def _expect(self, due_at: datetime | None) -> None:
        if due_at is not None and (self._due_at is None or due_at < self._due_at):
            self._due_at = due_at
            self._wake.set()
