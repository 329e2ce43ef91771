"""Intake: events come in, are committed together with their deliveries, and only then are acknowledged.

All streams meet here: what arrives while one unit is being written forms the next one, so many senders share a commit.
After the commit the new heads are offered to their lanes at once, without another look at the table.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import ConstraintViolated, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.dispatcher.admission import Admission
    from services.dispatcher.deliveries import Deliveries
    from services.dispatcher.metrics import DispatcherMetrics
    from services.dispatcher.ready import Turn
    from services.dispatcher.recent import RecentEvents
    from services.dispatcher.unit import Unit
    from switchhook.rpc.received import Received
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth

log = logging.getLogger(__name__)

WAITING_BATCHES = 64
EVENTS_IN_ONE_UNIT = 1_000
OVERDUE_PAGE = 200
LONGEST_LOOK = timedelta(seconds=1)
COLLISIONS = 5  # with other dispatchers, until the sender is told to try again


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    events: Sequence[Received]
    committed: asyncio.Future[None]


class Intake:
    """`accept` is for the server; `run` does the work, in a task of its own."""

    def __init__(
        self,
        admission: Admission,
        *,
        deliveries: Deliveries,
        recent: RecentEvents,
        offer: Callable[[str, Turn], None],
        metrics: DispatcherMetrics,
        health: ServiceHealth,
        hold: timedelta,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._deliveries = deliveries
        self._recent = recent
        self._offer = offer
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._is_refusing = False
        self._look = min(hold / 10, LONGEST_LOOK).total_seconds()
        self._waiting: asyncio.Queue[_Batch] = asyncio.Queue(WAITING_BATCHES)

    async def accept(self, events: Sequence[Received]) -> None:
        """Come back when the events are committed. Raises `StorageError`; then none of them is kept."""
        batch = _Batch(events, asyncio.get_running_loop().create_future())
        await self._waiting.put(batch)
        await batch.committed

    async def run(self) -> None:
        """Commit what is accepted, and let go what was held too long, until cancelled."""
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            if loop.time() >= look_at:
                await self._let_go_overdue()
                look_at = loop.time() + self._look
            try:
                async with asyncio.timeout_at(look_at):
                    first = await self._waiting.get()
            except TimeoutError:
                continue
            await self._commit(self._with_followers(first))

    def _with_followers(self, first: _Batch) -> list[_Batch]:
        batches, count = [first], len(first.events)
        while count < EVENTS_IN_ONE_UNIT and not self._waiting.empty():
            batches.append(self._waiting.get_nowait())
            count += len(batches[-1].events)
        return batches

    async def _commit(self, batches: Sequence[_Batch]) -> None:
        events = [received for batch in batches for received in batch.events]
        waiting = [batch.committed for batch in batches]
        try:
            unit = await self._admit(events)
        except StorageError as error:
            self._note_storage(error)
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        self._note_storage(None)
        self._metrics.accepted.inc(unit.accepted)
        self._metrics.repeated.inc(len(events) - unit.accepted)
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _admit(self, events: Sequence[Received]) -> Unit:
        for _ in range(COLLISIONS):
            unit = await self._admission.of_events(events, now=self._clock())
            try:
                await self._write(unit)
            except ConstraintViolated:
                continue  # another dispatcher added to the same lane in this moment
            return unit
        unit = await self._admission.of_events(events, now=self._clock())
        await self._write(unit)
        return unit

    def _note_storage(self, error: StorageError | None) -> None:
        """Say it once when events cannot be kept, and once when they can again; nothing is lost in between."""
        if error is not None and not self._is_refusing:
            self._health.problem("intake", f"events are refused and stay with their senders: {error}")
            log.error("events.refused", extra={"error": str(error)})
        if error is None and self._is_refusing:
            self._health.solved("intake")
            log.info("events.accepted_again")
        self._is_refusing = error is not None

    async def _let_go_overdue(self) -> None:
        try:
            while True:
                unit = await self._admission.of_overdue(now=self._clock(), limit=OVERDUE_PAGE)
                if unit.is_empty:
                    return
                await self._write(unit)
        except StorageError as error:
            log.warning("held.unwritable", extra={"error": str(error)})

    async def _write(self, unit: Unit) -> None:
        if unit.is_empty:
            return
        try:
            rows = await self._deliveries.write(unit.statements)
        except BaseException:
            self._admission.refused(unit)
            raise
        self._admission.committed(unit)
        self._metrics.held.inc(unit.held)
        added: Counter[str] = Counter()
        for made in unit.made(rows):
            added[made.endpoint] += 1
            stored = made.admitted.stored
            self._recent.keep(made.number, made.admitted.event, size=len(stored.payload))
            if made.turn is None:
                self._deliveries.doubt(made.endpoint, stored.call)
            else:
                self._offer(made.endpoint, made.turn)
        for endpoint, count in added.items():
            self._metrics.of(endpoint).pending.inc(count)
