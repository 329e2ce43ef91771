"""The monitor as a service: opens its database, and serves one term after the other."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar, NoReturn

from services.monitor.metrics import MonitorMetrics
from services.monitor.term import Surroundings, Term
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.tables import await_tables
from switchhook.runtime.term import serve_terms
from switchhook.storage import Lease
from switchhook.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import Settings

log = logging.getLogger(__name__)


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
        settings, metrics, migrations = self._settings, self._metrics, files("services.monitor.migrations")
        database = await await_tables(
            settings, self.name, migrations=migrations, metrics=metrics.database, health=health
        )
        try:
            surroundings = Surroundings(
                settings=settings,
                database=database,
                lease=Lease(database),
                metrics=metrics,
                health=health,
                clock=self._clock,
                tracing=self._tracing,
            )
            await serve_terms(
                lambda: Term(surroundings).run(),
                surroundings.lease,
                health=health,
                standstill="nothing can be watched",
                log=log,
            )
        finally:
            await database.close()
