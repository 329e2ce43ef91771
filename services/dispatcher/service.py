"""The dispatcher: accepts events over gRPC and delivers them to the endpoints until it is cancelled.

Starts with the table, then the lanes, then the server; stops the other way round: first no event is accepted any more,
then the attempts under way finish, then the table is closed.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

from services.dispatcher.abandonment import Abandonment
from services.dispatcher.addresses import file_addresses
from services.dispatcher.admission import Admission
from services.dispatcher.api import DispatcherApi
from services.dispatcher.breaker import USUAL_RULES, BreakerRules
from services.dispatcher.claims import Claims
from services.dispatcher.deliveries import Deliveries
from services.dispatcher.delivering import Surroundings
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.engine import Engine
from services.dispatcher.intake import Intake
from services.dispatcher.janitor import Janitor
from services.dispatcher.kept_events import KeptEvents
from services.dispatcher.lane_repair import LaneRepair
from services.dispatcher.metrics import DispatcherMetrics
from services.dispatcher.openapi import DESCRIBED
from services.dispatcher.own_events import OwnEvents
from services.dispatcher.recent import RecentEvents
from services.dispatcher.rehearsal import demand_good_templates
from services.dispatcher.settling import Settling
from switchhook.rpc.encryption import Encryption
from switchhook.rpc.server import serve_publish
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.observed import ObservedAcceptance
from switchhook.runtime.tables import open_tables
from switchhook.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp.web import RouteDef
    from prometheus_client import CollectorRegistry

    from services.dispatcher.endpoint_states import Endpoints
    from services.dispatcher.formats import FileAddress
    from switchhook.runtime.health import ServiceHealth
    from switchhook.runtime.openapi import Described
    from switchhook.settings import Settings
    from switchhook.storage.database import Database

NAME = "dispatcher"


class Dispatcher:
    """A service; while it runs, `address` is where it listens, and `endpoints` pauses and resumes."""

    name = NAME

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        settings: Settings,
        open_tables: Callable[[], Awaitable[Database]],
        links: FileAddress,
        metrics: DispatcherMetrics,
        clock: Clock = utc_now,
        tracing: Tracing = OFF,
        breaker_rules: BreakerRules = USUAL_RULES,
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings.dispatcher
        self._open_tables = open_tables
        self._links = links
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing
        self._breaker_rules = breaker_rules
        self._encryption = Encryption.from_settings(settings.rpc)
        self._api = DispatcherApi.from_settings(settings, clock=clock)
        self.address: str | None = None
        self.endpoints: Endpoints | None = None

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        registry: CollectorRegistry,
        clock: Clock = utc_now,
        tracing: Tracing = OFF,
        breaker_rules: BreakerRules = USUAL_RULES,
    ) -> Dispatcher:
        """The dispatcher of a configuration. Raises `ConfigError`."""
        demand_good_templates(settings)
        endpoints = [Endpoint.from_settings(entry, settings.dispatcher) for entry in settings.endpoint]
        metrics = DispatcherMetrics(registry, endpoints=[endpoint.name for endpoint in endpoints])
        migrations = files("services.dispatcher") / "migrations"
        return cls(
            endpoints,
            settings=settings,
            open_tables=partial(open_tables, settings, NAME, migrations=migrations, metrics=metrics.database),
            links=file_addresses(settings, clock=clock),
            metrics=metrics,
            clock=clock,
            tracing=tracing,
            breaker_rules=breaker_rules,
        )

    @property
    def admin_routes(self) -> Sequence[RouteDef]:
        """See `Administered`."""
        return self._api.routes

    @property
    def admin_described(self) -> Described:
        """See `Administered`."""
        return DESCRIBED

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        async with AsyncExitStack() as stack:
            database = await self._open_tables()
            stack.push_async_callback(database.close)
            repair = LaneRepair(database, clock=self._clock)
            claims = Claims(database, rescued=repair.doubt_all)
            await claims.join()
            stack.push_async_callback(claims.leave)
            events, deliveries = KeptEvents(database), Deliveries(database, doubt=repair.doubt)
            await self._give_up_the_removed(database, deliveries)
            await self._take_over(events, deliveries)
            recent = RecentEvents()
            surroundings = self._surroundings(deliveries, recent)
            engine = await stack.enter_async_context(self._engine(database, claims, surroundings, health))
            intake = Intake(
                Admission(self._endpoints, events=events, hold=self._settings.hold, owner_of=engine.owner_of),
                deliveries=deliveries,
                recent=recent,
                offer=engine.offer,
                metrics=self._metrics,
                health=health,
                hold=self._settings.hold,
                clock=self._clock,
            )
            janitor = Janitor(
                events,
                deliveries=deliveries,
                metrics=self._metrics,
                retention=self._settings.log_retention,
                clock=self._clock,
            )
            stack.enter_context(
                self._api.opened(database, engine=engine, deliveries=deliveries, endpoints=self._endpoints)
            )
            async with asyncio.TaskGroup() as group:
                for task in (engine.run(), intake.run(), janitor.run(), claims.run(), repair.run()):
                    group.create_task(task)
                serving = serve_publish(
                    self._settings.listen,
                    intake.accept,
                    encryption=self._encryption,
                    answered=ObservedAcceptance(
                        NAME, self._metrics.producers, tracing=self._tracing, clock=self._clock
                    ),
                )
                async with serving as address:
                    self.address, self.endpoints = address, engine.endpoints
                    health.ready()
                    await asyncio.Event().wait()

    def _surroundings(self, deliveries: Deliveries, recent: RecentEvents) -> Surroundings:
        return Surroundings(
            deliveries=deliveries,
            settling=Settling(deliveries),
            recent=recent,
            links=self._links,
            clock=self._clock,
            random=random.random,
            jitter=self._settings.jitter,
            tracing=self._tracing,
        )

    def _engine(self, database: Database, claims: Claims, surroundings: Surroundings, health: ServiceHealth) -> Engine:
        return Engine(
            self._endpoints,
            settings=self._settings,
            database=database,
            claims=claims,
            metrics=self._metrics,
            health=health,
            rules=self._breaker_rules,
            surroundings=surroundings,
        )

    async def _give_up_the_removed(self, database: Database, deliveries: Deliveries) -> None:
        """Nobody is configured any more for what waits for them."""
        own_events = OwnEvents(self._settings.operator_endpoint, kept=lambda _endpoint, _count: None)
        abandonment = Abandonment(database, own_events=own_events, clock=self._clock)
        for endpoint in await deliveries.pending():
            if endpoint not in self._metrics.by_endpoint:
                await abandonment.run(endpoint)

    async def _take_over(self, events: KeptEvents, deliveries: Deliveries) -> None:
        """Count what waits."""
        for endpoint, count in (await deliveries.pending()).items():
            if endpoint in self._metrics.by_endpoint:
                self._metrics.of(endpoint).pending.set(count)
        self._metrics.held.set(await events.held_count())
