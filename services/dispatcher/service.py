"""The dispatcher: accepts events over gRPC and delivers them to the endpoints until it is cancelled.

Starts with the table, then the lanes, then the server; stops the other way round: first no event is accepted any more,
then the attempts under way finish, then the table is closed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import TYPE_CHECKING

from services.dispatcher.addresses import file_addresses
from services.dispatcher.admission import Admission
from services.dispatcher.attempt import Connections
from services.dispatcher.deliveries import Deliveries
from services.dispatcher.delivering import Delivering, Surroundings
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.intake import Intake
from services.dispatcher.janitor import Janitor
from services.dispatcher.lanes import Lanes
from services.dispatcher.metrics import DispatcherMetrics
from services.dispatcher.outcome import ADVICE_BY_REASON, Reason
from switchhook.rpc.server import serve_publish
from switchhook.runtime.clock import Clock, utc_now
from switchhook.storage import open_database
from switchhook.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from prometheus_client import CollectorRegistry

    from services.dispatcher.formats import FileAddress
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import DispatcherSettings, Settings
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

NAME = "dispatcher"
ABANDONED_AT_ONCE = 500


class Dispatcher:
    """A service; `address` is where it listens while it runs."""

    name = NAME

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        settings: DispatcherSettings,
        open_tables: Callable[[], Awaitable[Database]],
        links: FileAddress,
        metrics: DispatcherMetrics,
        clock: Clock = utc_now,
        tracing: Tracing = OFF,
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._open_tables = open_tables
        self._links = links
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing
        self.address: str | None = None

    @classmethod
    def from_settings(
        cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now, tracing: Tracing = OFF
    ) -> Dispatcher:
        """The dispatcher of a configuration. Raises `ConfigError`."""
        endpoints = [Endpoint.from_settings(entry, settings.dispatcher) for entry in settings.endpoint]

        def open_tables() -> Awaitable[Database]:
            migrations = files("services.dispatcher") / "migrations"
            return open_database(settings.database.url, data_dir=settings.data_dir, service=NAME, migrations=migrations)

        return cls(
            endpoints,
            settings=settings.dispatcher,
            open_tables=open_tables,
            links=file_addresses(settings),
            metrics=DispatcherMetrics(registry, endpoints=[endpoint.name for endpoint in endpoints]),
            clock=clock,
            tracing=tracing,
        )

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        async with AsyncExitStack() as stack:
            database = await self._open_tables()
            stack.push_async_callback(database.close)
            deliveries = Deliveries(database)
            await self._take_over(deliveries)
            lanes_by_endpoint = await self._lanes(stack, deliveries, health)
            intake = Intake(
                Admission(self._endpoints, deliveries=deliveries, hold=self._settings.hold),
                deliveries=deliveries,
                offer=lambda endpoint, turn: lanes_by_endpoint[endpoint].offer(turn),
                metrics=self._metrics,
                health=health,
                hold=self._settings.hold,
                clock=self._clock,
            )
            janitor = Janitor(
                deliveries, metrics=self._metrics, retention=self._settings.log_retention, clock=self._clock
            )
            async with asyncio.TaskGroup() as group:
                for lanes in lanes_by_endpoint.values():
                    group.create_task(lanes.run())
                group.create_task(intake.run())
                group.create_task(janitor.run())
                async with serve_publish(self._settings.listen, intake.accept) as address:
                    self.address = address
                    health.ready()
                    await asyncio.Event().wait()

    async def _lanes(self, stack: AsyncExitStack, deliveries: Deliveries, health: ServiceHealth) -> dict[str, Lanes]:
        surroundings = Surroundings(
            deliveries=deliveries,
            links=self._links,
            clock=self._clock,
            random=random.random,
            jitter=self._settings.jitter,
            health=health,
            tracing=self._tracing,
        )
        lanes_by_endpoint = {}
        for endpoint in self._endpoints:
            connections = Connections(
                endpoint, connect_timeout=self._settings.connect_timeout, limit=self._settings.concurrency
            )
            delivering = Delivering(
                endpoint,
                connections=await stack.enter_async_context(connections),
                metrics=self._metrics.of(endpoint.name),
                surroundings=surroundings,
            )
            lanes_by_endpoint[endpoint.name] = Lanes(
                endpoint.name,
                deliveries=deliveries,
                deliver=delivering.take,
                concurrency=self._settings.concurrency,
                clock=self._clock,
            )
        return lanes_by_endpoint

    async def _take_over(self, deliveries: Deliveries) -> None:
        """Count what waits, and give up what nobody is configured for any more."""
        for endpoint, waiting in (await deliveries.pending()).items():
            if endpoint in self._metrics.by_endpoint:
                self._metrics.of(endpoint).pending.set(waiting.count)
            else:
                await self._abandon(deliveries, endpoint)
        self._metrics.held.set(await deliveries.held_count())

    async def _abandon(self, deliveries: Deliveries, endpoint: str) -> None:
        reason, count = Reason.ENDPOINT_REMOVED, 0
        while given_up := await deliveries.abandon(endpoint, reason=reason, at=self._clock(), limit=ABANDONED_AT_ONCE):
            count += given_up
        facts = {"endpoint": endpoint, "deliveries": count, "advice": ADVICE_BY_REASON[reason]}
        log.warning("deliveries.abandoned", extra=facts)
