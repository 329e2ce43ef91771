"""A term: the time in which a replica has one lease, and works and publishes under its number.

Where the database is not shared there is one term without end. Else a term ends, with all that runs in it, in the
moment in which the lease is lost: what is in memory is thrown away, and the next term, under another number, begins
with what the database has. What a service does in its terms is its own; here is what every one has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from switchhook.errors import LeaseLost, StorageError
from switchhook.rpc import Publisher
from switchhook.runtime.observed import ObservedSink
from switchhook.storage.lease import STORAGE_PAUSE

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping

    from switchhook.rpc import Encryption
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import Complaints
    from switchhook.storage import Lease, Outbox, Statement
    from switchhook.telemetry.neighbours import SinkMetrics
    from switchhook.telemetry.tracing import Tracing

_MEASURE_EVERY = 1.0  # seconds
_ADOPT_EVERY = 1.0  # seconds
_GOODBYE = 5.0  # seconds that a database may take to be told that we stop


async def serve_terms(
    term: Callable[[], Awaitable[None]], lease: Lease, *, health: Complaints, standstill: str, log: logging.Logger
) -> NoReturn:
    """One term after the other, each a call of `term`, until cancelled.

    `standstill` says in health what is not done while the database lets no term begin. Raises what else fails than the
    lease; where nothing is shared, the `StorageError` too.
    """
    while True:
        try:
            await term()
        except StorageError as error:
            if not lease.is_shared:
                raise
            health.problem("database", f"{standstill}: {error}")
            log.warning("replica.not_joined", extra={"reason": str(error)})
            await asyncio.sleep(STORAGE_PAUSE.total_seconds())
            continue
        except BaseExceptionGroup as group:
            if group.split(LeaseLost)[1] is not None:
                raise
            log.warning("replica.lease_lost", extra={"replica": lease.number})
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError  # Python 3.11's TaskGroup forgets it when a child fails meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """A term's lease, and the events that are published under it; `health` hears of the sinks.

    `log` is the service's own: its lines tell whose lease it is where several services are one process.
    """

    lease: Lease
    outbox: Outbox
    sinks: Mapping[str, SinkMetrics]
    encryption: Encryption | None
    health: Complaints
    clock: Clock
    tracing: Tracing
    log: logging.Logger

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Keep the lease, publish, and adopt; the group fails with `LeaseLost` when the lease is lost."""
        tasks.create_task(self._end_with_lease())
        tasks.create_task(self.lease.keep(self.lease.renew, log=self.log))
        tasks.create_task(self._adopt())
        for sink, metrics in self.sinks.items():
            tasks.create_task(self._publisher(sink, metrics).run())

    async def measure(self) -> NoReturn:
        """Tell the age of what waits for each sink, until cancelled."""
        while True:
            for sink, metrics in self.sinks.items():
                metrics.oldest(self.outbox.oldest_age(sink))
            await asyncio.sleep(_MEASURE_EVERY)

    async def end(self, *farewell: Statement) -> None:
        """Note what was acknowledged, and let others have the rest at once; without it they have it a little later."""
        try:
            async with asyncio.timeout(_GOODBYE):
                await self.outbox.flush()
                await self.lease.leave(*farewell)
        except TimeoutError:
            facts = {"replica": self.lease.number, "error": "the database hangs"}
            self.log.warning("replica.not_left", extra=facts)

    async def _end_with_lease(self) -> NoReturn:
        """In the very moment in which the lease is not valid any more, whatever else waits for an answer."""
        await self.lease.lost()
        raise LeaseLost

    async def _adopt(self) -> None:
        while self.lease.is_shared:
            try:
                if count := await self.outbox.adopt():
                    self.log.warning("events.adopted", extra={"replica": self.lease.number, "events": count})
            except StorageError as error:
                facts = {"replica": self.lease.number, "reason": str(error)}
                self.log.warning("events.not_adopted", extra=facts)
            await asyncio.sleep(_ADOPT_EVERY)

    def _publisher(self, sink: str, metrics: SinkMetrics) -> Publisher:
        check = f"sink {sink}"

        def on_state(problem: str | None) -> None:
            if problem is None:
                self.health.solved(check)
            else:
                self.health.problem(check, problem)

        measure = ObservedSink(sink, metrics, tracing=self.tracing, clock=self.clock)
        return Publisher(
            sink, self.outbox.backlog(sink), on_state=on_state, encryption=self.encryption, measure=measure
        )
