"""A term: the time in which this monitor has one lease, watches PBXs and publishes under its number.

Where the database is not shared there is one term without end, with all PBXs. Else a term ends, with all that runs in
it, in the moment in which the lease is lost: what is in memory is thrown away, and the next term, under another number,
begins with what the database has.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from services.monitor.ledger import CallLedger
from services.monitor.turns import Turns
from services.monitor.watch import PbxWatch
from services.monitor.watches import Watches
from switchhook.errors import LeaseLost, StorageError
from switchhook.pbx.session import PbxSession
from switchhook.rpc.encryption import Encryption
from switchhook.rpc.publish import Publisher
from switchhook.runtime.health import PassingComplaints
from switchhook.runtime.observed import ObservedSink
from switchhook.storage import Outbox
from switchhook.storage.lease import RENEW_EVERY, STORAGE_PAUSE
from switchhook.storage.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.monitor.metrics import MonitorMetrics
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings, Settings
    from switchhook.storage import Database, Lease
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

_METRICS_EVERY = 1.0  # seconds
_ADOPT_EVERY = 1.0  # seconds
_GOODBYE = 5.0  # seconds that a database may take to be told that we stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all terms of a monitor have in common."""

    settings: Settings
    database: Database
    lease: Lease
    metrics: MonitorMetrics
    health: ServiceHealth
    clock: Clock
    tracing: Tracing


class Term:
    """Runs once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._in = surroundings
        self._pbx_by_name = {pbx.name: pbx for pbx in surroundings.settings.pbx}
        self._sinks = surroundings.settings.monitor.sinks
        self._encryption = Encryption.from_settings(surroundings.settings.rpc)
        self._turns = Turns()
        self._watch_by_pbx: dict[str, PbxWatch] = {}
        self._share = Share(
            surroundings.database,
            surroundings.lease,
            self._pbx_by_name,
            is_busy=lambda pbx: pbx in self._watch_by_pbx and self._watch_by_pbx[pbx].is_busy,
            idle=surroundings.health.ready,
        )

    async def run(self) -> NoReturn:
        """Until cancelled, or until the lease is lost: then it raises a group of `LeaseLost`."""
        shared, lease = self._in, self._in.lease
        await lease.join()
        outbox = self._outbox = Outbox(shared.database, "calls", self._sinks, lease=lease)
        try:
            await outbox.load()
            shared.health.solved("database")
            async with asyncio.TaskGroup() as tasks:
                watches = Watches(tasks, self._watch, metrics=shared.metrics, health=shared.health)
                tasks.create_task(self._end_with_lease())
                tasks.create_task(self._renew())
                tasks.create_task(self._share.run(watches))
                tasks.create_task(self._adopt())
                for sink in self._sinks:
                    report = _reporter(shared.health, f"sink {sink}")
                    publisher = Publisher(
                        sink,
                        outbox.backlog(sink),
                        on_state=report,
                        encryption=self._encryption,
                        measure=ObservedSink(
                            sink, shared.metrics.sinks[sink], tracing=shared.tracing, clock=shared.clock
                        ),
                    )
                    tasks.create_task(publisher.run())
                await self._measure()
        finally:
            await self._say_goodbye()

    async def _watch(self, name: str, followed: Callable[[], None]) -> None:
        shared, pbx = self._in, self._pbx_by_name[name]
        complaints = PassingComplaints(shared.health)
        session = PbxSession(
            pbx,
            token_file=token_file(shared.settings.data_dir, pbx),
            now=shared.clock,
            demand=shared.lease.demand,
            token_used=lambda token: shared.metrics.token_expiry.labels(name).set(token.expires_at.timestamp()),
        )
        try:
            async with session:
                watch = self._watch_by_pbx[name] = PbxWatch(
                    pbx,
                    shared.settings.monitor,
                    session=session,
                    ledger=CallLedger(
                        shared.database,
                        self._outbox,
                        name,
                        lease=shared.lease,
                        health=complaints,
                        tracing=shared.tracing,
                        clock=shared.clock,
                    ),
                    metrics=shared.metrics,
                    health=complaints,
                    clock=shared.clock,
                )
                await watch.run(followed, turns=self._turns)
        finally:
            self._watch_by_pbx.pop(name, None)
            complaints.withdraw()
            shared.metrics.released(name)

    async def _end_with_lease(self) -> NoReturn:
        """In the very moment in which the lease is not valid any more, whatever else waits for an answer."""
        await self._in.lease.lost()
        raise LeaseLost

    async def _renew(self) -> None:
        lease = self._in.lease
        while lease.is_shared:
            pause = RENEW_EVERY
            try:
                if not await lease.renew():
                    return  # `_end_with_lease` says so
            except StorageError as error:
                log.warning("replica.unrenewed", extra={"replica": lease.number, "error": str(error)})
                pause = STORAGE_PAUSE
            await asyncio.sleep(pause.total_seconds())

    async def _adopt(self) -> None:
        lease = self._in.lease
        while lease.is_shared:
            try:
                if count := await self._outbox.adopt():
                    log.warning("events.adopted", extra={"replica": lease.number, "events": count})
            except StorageError as error:
                log.warning("events.not_adopted", extra={"replica": lease.number, "reason": str(error)})
            await asyncio.sleep(_ADOPT_EVERY)

    async def _measure(self) -> NoReturn:
        while True:
            for sink in self._sinks:
                self._in.metrics.sinks[sink].oldest(self._outbox.oldest_age(sink))
            await asyncio.sleep(_METRICS_EVERY)

    async def _say_goodbye(self) -> None:
        """Note what was acknowledged, and let others have the rest at once; without it they have it a little later."""
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._outbox.flush()
                await self._in.lease.leave(self._share.farewell())
        except TimeoutError:
            log.warning("replica.not_left", extra={"replica": self._in.lease.number, "error": "the database hangs"})


def token_file(data_dir: Path, pbx: PbxSettings) -> Path:
    """Where the one live token of a PBX's API client is shared with the recorder."""
    return data_dir / "tokens" / f"{pbx.name}.json"


def _reporter(health: ServiceHealth, check: str) -> Callable[[str | None], None]:
    def report(sentence: str | None) -> None:
        if sentence is None:
            health.solved(check)
        else:
            health.problem(check, sentence)

    return report
