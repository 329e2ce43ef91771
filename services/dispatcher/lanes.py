"""Lanes: the deliveries of one endpoint, each call's one after the other, different calls side by side.

Theory of operation. Which delivery of a call may go is a fact of the table (`deliveries`): only heads are ever given
out. So no queue per call is kept here, only some heads that are due: those that intake has just committed, those that
a finished delivery has made heads, and, when there are more than fit, pages from the table (`is_behind`). A head is
`taken` from the moment it is here until what came of it is committed; a page may show a taken head again, and is read
beside settlements, so heads that left while it was read are not believed either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from services.dispatcher.deliveries import Deliveries, Head
    from switchhook.events import Event
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

PAGE = 128  # heads read at once
READY_LIMIT = 256  # heads kept here beyond those under way
DRAIN = timedelta(seconds=5)
STORAGE_PAUSE = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """A head whose turn it is; `event` is there when it need not be read from the payload."""

    head: Head
    event: Event | None = None


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
        deliver: Callable[[Turn], Awaitable[Settled]],
        concurrency: int,
        clock: Clock,
    ) -> None:
        self._endpoint = endpoint
        self._deliveries = deliveries
        self._deliver = deliver
        self._concurrency = concurrency
        self._clock = clock
        self._ready: deque[Turn] = deque()
        self._taken: set[int] = set()
        self._left_while_reading: set[int] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._is_behind = True  # whatever the table holds from before
        self._due_at: datetime | None = None
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
        if turn.head.event in self._taken:
            return
        if self._is_behind or len(self._ready) >= READY_LIMIT:
            self._is_behind = True
            if not self._ready:
                self._wake.set()
            return
        self._take(turn)

    async def _feed(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock()
            if self._due_at is not None and self._due_at <= now:
                self._is_behind = True
            if self._is_behind and len(self._ready) < PAGE:
                await self._read_page(now)
                continue
            wait = LONGEST_WAIT if self._due_at is None else min(self._due_at - now, LONGEST_WAIT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait.total_seconds(), 0.001)):
                    await self._wake.wait()

    async def _read_page(self, now: datetime) -> None:
        limit = PAGE + len(self._taken)
        # What is offered or postponed from here on may be newer than the page: it counts again.
        self._is_behind, self._due_at = False, None
        self._left_while_reading = left = set[int]()
        try:
            heads = await self._deliveries.due_heads(self._endpoint, now=now, limit=limit)
            due_at = await self._deliveries.next_due_at(self._endpoint, after=now)
        except StorageError as error:
            log.warning("deliveries.unreadable", extra={"endpoint": self._endpoint, "error": str(error)})
            self._is_behind = True
            await asyncio.sleep(STORAGE_PAUSE.total_seconds())
            return
        finally:
            self._left_while_reading = None
        if len(heads) == limit:
            self._is_behind = True
        self._expect(due_at)
        for head in heads:
            if head.event not in self._taken and head.event not in left:
                self._take(Turn(head))

    def _take(self, turn: Turn) -> None:
        self._taken.add(turn.head.event)
        self._ready.append(turn)
        if self._group is not None and len(self._workers) < self._concurrency:
            worker = self._group.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        while self._ready and self._group is not None:
            turn = self._ready.popleft()
            settled = await self._deliver(turn)
            self._taken.discard(turn.head.event)
            if self._left_while_reading is not None:
                self._left_while_reading.add(turn.head.event)
            self._expect(settled.due_at)
            if settled.next_head is not None:
                self.offer(Turn(settled.next_head))
            if self._is_behind and len(self._ready) < PAGE:
                self._wake.set()

    def _expect(self, due_at: datetime | None) -> None:
        if due_at is not None and (self._due_at is None or due_at < self._due_at):
            self._due_at = due_at
            self._wake.set()
