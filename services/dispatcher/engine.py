"""The engine: for every endpoint its gate, its connections and its lanes, and what watches over all of them.

An async context manager: connections are open while it lasts.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from services.dispatcher.attempt import Connections
from services.dispatcher.delivering import Delivering
from services.dispatcher.endpoint_states import Endpoints
from services.dispatcher.expiry import Expiry
from services.dispatcher.gate import Gate
from services.dispatcher.lanes import Lanes
from services.dispatcher.overdue import Overdue
from services.dispatcher.own_events import OwnEvents
from services.dispatcher.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from services.dispatcher.breaker import BreakerRules
    from services.dispatcher.claims import Claims
    from services.dispatcher.delivering import Surroundings
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.metrics import DispatcherMetrics
    from services.dispatcher.ready import Turn
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import DispatcherSettings
    from switchhook.storage.database import Database


class Engine:
    """`endpoints` says and changes who is paused; `lanes_by_endpoint` is there while the context lasts."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        settings: DispatcherSettings,
        database: Database,
        claims: Claims,
        metrics: DispatcherMetrics,
        health: ServiceHealth,
        rules: BreakerRules,
        surroundings: Surroundings,
    ) -> None:
        self._configured = endpoints
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._around = surroundings
        self._claims = claims
        self._stack = AsyncExitStack()
        now = surroundings.clock()
        self._gates = {each.name: Gate(rate_limit=each.rate_limit, rules=rules, now=now) for each in endpoints}
        self.lanes_by_endpoint: dict[str, Lanes] = {}
        self._own_events = OwnEvents(settings.operator_endpoint, kept=self.added)
        self.endpoints = Endpoints(
            database,
            gates=self._gates,
            own_events=self._own_events,
            changed=self.look,
            health=health,
            clock=surroundings.clock,
        )
        self._expiry = Expiry(
            Overdue(database),
            claims=claims,
            lanes_by_endpoint=self.lanes_by_endpoint,
            doubt=surroundings.deliveries.doubt,
            metrics=metrics,
            clock=surroundings.clock,
        )

    async def __aenter__(self) -> Self:
        for endpoint in self._configured:
            self.lanes_by_endpoint[endpoint.name] = await self._lanes(endpoint)
        await self.endpoints.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lanes in self.lanes_by_endpoint.values():
                group.create_task(lanes.run())
            group.create_task(self._expiry.run())
            group.create_task(self.endpoints.run())

    def offer(self, endpoint: str, turn: Turn) -> None:
        """A head that was just committed."""
        self.lanes_by_endpoint[endpoint].offer(turn)

    def owner_of(self, endpoint: str) -> int:
        """Who claims the endpoint's new heads: this process, unless it has enough to do."""
        return self._claims.owner if self.lanes_by_endpoint[endpoint].has_room else 0

    def added(self, endpoint: str, count: int) -> None:
        """So many deliveries became pending for the endpoint, without being offered."""
        self._metrics.of(endpoint).pending.inc(count)
        self.look(endpoint)

    def look(self, endpoint: str) -> None:
        """The endpoint's lanes have something to look at: its gate, or the table."""
        if endpoint in self.lanes_by_endpoint:
            self.lanes_by_endpoint[endpoint].look()

    async def _lanes(self, endpoint: Endpoint) -> Lanes:
        gate, metrics = self._gates[endpoint.name], self._metrics.of(endpoint.name)
        metrics.show(gate)
        connections = Connections(endpoint, connect_timeout=self._settings.connect_timeout, limit=endpoint.concurrency)
        watch = Watch(
            endpoint.name, gate=gate, endpoints=self.endpoints, own_events=self._own_events, health=self._health
        )
        delivering = Delivering(
            endpoint,
            connections=await self._stack.enter_async_context(connections),
            metrics=metrics,
            watch=watch,
            surroundings=self._around,
        )
        return Lanes(
            endpoint.name,
            deliveries=self._around.deliveries,
            claims=self._claims,
            deliver=delivering.take,
            gate=gate,
            may_probe=partial(self.endpoints.claim_probe, endpoint.name),
            concurrency=endpoint.concurrency,
            clock=self._around.clock,
        )
