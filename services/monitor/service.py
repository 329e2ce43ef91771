"""The monitor as a service: opens its database, and serves one term after the other."""

from __future__ import annotations

import asyncio
import logging
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar, NoReturn

from services.monitor.metrics import MonitorMetrics
from services.monitor.term import Surroundings, Term
from switchhook.errors import LeaseLost, StorageError, StorageInUse
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.measured import MeasuredDatabase
from switchhook.storage import Lease, open_database
from switchhook.storage.lease import STORAGE_PAUSE
from switchhook.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import Settings
    from switchhook.storage import Database

log = logging.getLogger(__name__)

_SQLITE = "sqlite:"
_LOOK_AGAIN = 1.0  # seconds until a database that another version has to itself is asked for again


class Monitor:
    """Serves until cancelled. Ready once it follows a PBX, or when others follow all: without one it is of no use."""

    name: ClassVar[str] = "monitor"

    def __init__(self, settings: Settings, *, metrics: MonitorMetrics, clock: Clock, tracing: Tracing) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing

    @classmethod
    def from_settings(
        cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now, tracing: Tracing = OFF
    ) -> Monitor:
        """The monitor of a process."""
        metrics = MonitorMetrics(registry, [pbx.name for pbx in settings.pbx], settings.monitor.sinks)
        return cls(settings, metrics=metrics, clock=clock, tracing=tracing)

    async def run(self, health: ServiceHealth) -> NoReturn:
        """Watches PBXs and publishes to every sink."""
        database = await self._open(health)
        try:
            surroundings = Surroundings(
                settings=self._settings,
                database=database,
                lease=Lease(database),
                metrics=self._metrics,
                health=health,
                clock=self._clock,
                tracing=self._tracing,
            )
            while True:
                await _serve_term(surroundings)
        finally:
            await database.close()

    async def _open(self, health: ServiceHealth) -> Database:
        """The database; while a version that does not share has it to itself, this one stands by."""
        settings = self._settings
        while True:
            try:
                database = await open_database(
                    settings.database.url,
                    data_dir=settings.data_dir,
                    service=self.name,
                    migrations=files("services.monitor.migrations"),
                    include_outbox=True,
                    allow_replicas=True,
                )
            except StorageInUse as error:
                if settings.database.url == _SQLITE:
                    raise
                health.problem("database", f"standing by: {error}")
                health.ready()
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            health.solved("database")
            return MeasuredDatabase(database, self._metrics.database)


async def _serve_term(surroundings: Surroundings) -> None:
    """Comes back when another term may begin."""
    lease, health = surroundings.lease, surroundings.health
    try:
        await Term(surroundings).run()
    except StorageError as error:
        if not lease.is_shared:
            raise
        health.problem("database", f"nothing can be watched: {error}")
        log.warning("replica.not_joined", extra={"reason": str(error)})
        await asyncio.sleep(STORAGE_PAUSE.total_seconds())
        return
    except BaseExceptionGroup as group:
        if group.split(LeaseLost)[1] is not None:
            raise
        log.warning("replica.lease_lost", extra={"replica": lease.number})
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError  # Python 3.11's TaskGroup forgets it when a child fails meanwhile
