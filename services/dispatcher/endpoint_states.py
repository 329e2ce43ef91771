"""How endpoints are: durable, for operators to read and to change, and known to the gates.

A pause outlives restarts. What a breaker holds back is kept only where several dispatchers share a database, so that
all of them leave a dead endpoint alone and one of them probes it; elsewhere a few attempts find it out again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.endpoint_table import EndpointTable, Outage, closing, opening, pausing, resuming
from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import ADVICE_BY_REASON, Reason
from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from services.dispatcher.endpoint_table import KeptEndpoint
    from services.dispatcher.gate import Gate
    from services.dispatcher.own_events import OwnEvents
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.storage.database import Database, Statement

log = logging.getLogger(__name__)

REFRESH_INTERVAL = timedelta(seconds=2)
SHARED_REFRESH_INTERVAL = timedelta(seconds=1)  # as often as leases are renewed
ASK_AGAIN = timedelta(seconds=1)  # for a probe that another dispatcher makes; meanwhile the table tells its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An endpoint at this moment; `reason` is `NONE` while it is active."""

    name: str
    state: EndpointState
    reason: Reason
    since: datetime


class Endpoints:
    """All configured ones. `changed` is called with the name of an endpoint whose gate was opened or shut here."""

    def __init__(
        self,
        database: Database,
        *,
        gates: Mapping[str, Gate],
        own_events: OwnEvents,
        changed: Callable[[str], None],
        health: ServiceHealth,
        clock: Clock,
    ) -> None:
        self._table = EndpointTable(database)
        self._kept: dict[str, KeptEndpoint] = {}
        self._ended: dict[str, datetime | None] = {}  # the last outage of each that ended here
        self._gates = gates
        self._own_events = own_events
        self._changed = changed
        self._health = health
        self._clock = clock

    def standings(self) -> list[Standing]:
        """Every endpoint, in the order of the configuration."""
        return [self.standing(name) for name in self._gates]

    def standing(self, name: str) -> Standing:
        """One endpoint. Raises `KeyError` for one that is not configured."""
        gate = self._gates[name]
        return Standing(name=name, state=gate.state, reason=gate.reason, since=gate.since)

    async def pause(self, name: str, *, reason: Reason = Reason.OPERATOR) -> None:
        """Let nothing through to it until it is resumed. Raises `KeyError`, `StorageError`."""
        await self.refresh()  # another dispatcher may have heard the contrary a moment ago
        if self._gates[name].state is EndpointState.PAUSED:
            return
        now = self._clock()
        told = self._own_events.paused(name, EndpointState.PAUSED, reason, at=now)
        await self._table.write([pausing(name, reason, at=now), *told])
        self.shut(name, reason, since=now)
        self._own_events.committed(told)

    async def resume(self, name: str) -> None:
        """Deliver to it again, also when its breaker holds deliveries back. Raises `KeyError`, `StorageError`."""
        await self.refresh()
        gate = self._gates[name]
        if gate.state is EndpointState.ACTIVE:
            return
        now = self._clock()
        told = self._own_events.recovered(name, since=gate.since, at=now)
        await self._table.write([resuming(name, at=now), *told])
        self._open(name, now)
        self._own_events.committed(told)

    def pausing(self, name: str, reason: Reason, *, at: datetime) -> list[Statement]:
        """What makes a pause durable; the caller writes it, and calls `shut`."""
        return [pausing(name, reason, at=at)]

    def opened(self, name: str) -> list[Statement]:
        """The breaker has just opened here: what tells the other dispatchers; the caller writes it."""
        gate = self._gates[name]
        if not self._table.is_shared or gate.outage is None or gate.probe_at is None:
            return []
        return [opening(name, Outage(since=gate.outage, reason=gate.reason, probe_at=gate.probe_at))]

    def closed(self, name: str, *, since: datetime | None) -> list[Statement]:
        """The breaker, open since then, has just closed here: what tells the others; the caller writes it."""
        self._ended[name] = since
        return [closing(name)] if self._table.is_shared else []

    async def claim_probe(self, name: str) -> bool:
        """True when the probe that is due is ours to make; else the gate knows when to ask again."""
        gate, now = self._gates[name], self._clock()
        try:
            if await self._table.claim_probe(name, now=now, interval=gate.probe_interval):
                return True
        except StorageError as error:
            log.warning("endpoints.unreadable", extra={"error": str(error)})
        gate.postpone_probe(now + ASK_AGAIN)
        return False

    def shut(self, name: str, reason: Reason, *, since: datetime) -> None:
        """Shut the gate, and say so."""
        self._gates[name].pause(reason, since=since)
        advice = ADVICE_BY_REASON[reason]
        self._health.problem(f"endpoint {name} paused", f"endpoint {name} is paused: {advice}")
        log.warning("endpoint.paused", extra={"endpoint": name, "reason": reason.value, "advice": advice})
        self._changed(name)

    async def refresh(self) -> None:
        """Make the gates agree with what changed in the table. Raises `StorageError`."""
        for kept in await self._table.read():
            if kept.name in self._gates and kept != self._kept.get(kept.name):
                self._kept[kept.name] = kept
                self._follow(kept)

    async def run(self) -> None:
        """Follow what other processes write, until cancelled."""
        pause = SHARED_REFRESH_INTERVAL if self._table.is_shared else REFRESH_INTERVAL
        while True:
            await asyncio.sleep(pause.total_seconds())
            try:
                await self.refresh()
            except StorageError as error:
                log.warning("endpoints.unreadable", extra={"error": str(error)})

    def _follow(self, kept: KeptEndpoint) -> None:
        gate = self._gates[kept.name]
        is_paused = gate.state is EndpointState.PAUSED
        if kept.state is EndpointState.PAUSED and not is_paused:
            self.shut(kept.name, kept.reason, since=kept.since)
        elif kept.state is not EndpointState.PAUSED and is_paused:
            self._open(kept.name, self._clock())
        if self._table.is_shared:
            self._follow_outage(kept, gate)

    def _follow_outage(self, kept: KeptEndpoint, gate: Gate) -> None:
        """Believe what others say of the breaker, but for an outage that ended here: that is being written."""
        name, outage, began = kept.name, kept.outage, gate.outage
        if outage is None and began is not None:
            gate.close(now=self._clock())
            log.info("endpoint.recovered", extra={"endpoint": name})
        elif outage is not None and outage.since != self._ended.get(name):
            gate.open(outage.reason, since=outage.since, probe_at=outage.probe_at)
            if began is None:
                log.warning("endpoint.parked", extra={"endpoint": name, "reason": outage.reason.value})
        else:
            return
        self._changed(name)

    def _open(self, name: str, now: datetime) -> None:
        self._gates[name].resume(now=now)
        self._health.solved(f"endpoint {name} paused")
        log.info("endpoint.resumed", extra={"endpoint": name})
        self._changed(name)
