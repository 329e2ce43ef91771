"""Which endpoints are paused: durable, for operators to read and to change, and known to the gates.

What a breaker holds back is not kept: a restart finds it out again within a few attempts.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import ADVICE_BY_REASON, Reason
from services.dispatcher.stored_times import micros, moment
from switchhook.errors import StorageError
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from services.dispatcher.gate import Gate
    from services.dispatcher.own_events import OwnEvents
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

REFRESH_INTERVAL = timedelta(seconds=2)

READ = "SELECT name, state, reason, since FROM endpoints"

WRITE = """
INSERT INTO endpoints (name, state, reason, since) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since"""


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
        self._database = database
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
        if self._gates[name].state is EndpointState.PAUSED:
            return
        now = self._clock()
        told = self._own_events.paused(name, EndpointState.PAUSED, reason, at=now)
        await self._database.write([*self.pausing(name, reason, at=now), *told])
        self.shut(name, reason, since=now)
        self._own_events.committed(told)

    async def resume(self, name: str) -> None:
        """Deliver to it again, also when its breaker holds deliveries back. Raises `KeyError`, `StorageError`."""
        gate = self._gates[name]
        if gate.state is EndpointState.ACTIVE:
            return
        now = self._clock()
        told = self._own_events.recovered(name, since=gate.since, at=now)
        active = Statement(WRITE, (name, EndpointState.ACTIVE.value, "", micros(now)))
        await self._database.write([active, *told])
        self._open(name, now)
        self._own_events.committed(told)

    def pausing(self, name: str, reason: Reason, *, at: datetime) -> list[Statement]:
        """What makes a pause durable; the caller writes it, and calls `shut`."""
        return [Statement(WRITE, (name, EndpointState.PAUSED.value, reason.value, micros(at)))]

    def shut(self, name: str, reason: Reason, *, since: datetime) -> None:
        """Shut the gate, and say so."""
        self._gates[name].pause(reason, since=since)
        advice = ADVICE_BY_REASON[reason]
        self._health.problem(f"endpoint {name} paused", f"endpoint {name} is paused: {advice}")
        log.warning("endpoint.paused", extra={"endpoint": name, "reason": reason.value, "advice": advice})
        self._changed(name)

    async def refresh(self) -> None:
        """Make the gates agree with the table. Raises `StorageError`."""
        for name, state, reason, since in await self._database.read(READ):
            gate = self._gates.get(name)
            if gate is None or (state == EndpointState.PAUSED) == (gate.state is EndpointState.PAUSED):
                continue
            if state == EndpointState.PAUSED:
                self.shut(name, Reason(reason), since=moment(since))
            else:
                self._open(name, self._clock())

    async def run(self) -> None:
        """Follow what other processes write, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_INTERVAL.total_seconds())
            try:
                await self.refresh()
            except StorageError as error:
                log.warning("endpoints.unreadable", extra={"error": str(error)})

    def _open(self, name: str, now: datetime) -> None:
        self._gates[name].resume(now=now)
        self._health.solved(f"endpoint {name} paused")
        log.info("endpoint.resumed", extra={"endpoint": name})
        self._changed(name)
