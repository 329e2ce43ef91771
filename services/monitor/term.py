"""A monitor's term: it watches its share of the PBXs, all of them where nothing is shared, and keeps what it saw.

What a term is, and what every one has, stands in `switchhook.runtime.term`.
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
from switchhook.pbx.session import PbxSession
from switchhook.pbx.token_file import token_path
from switchhook.rpc.encryption import Encryption
from switchhook.runtime.health import PassingComplaints
from switchhook.runtime.term import Tenure
from switchhook.storage import Outbox
from switchhook.storage.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.monitor.metrics import MonitorMetrics
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import Settings
    from switchhook.storage import Database, Lease
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


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
        outbox = self._outbox = Outbox(shared.database, "calls", shared.settings.monitor.sinks, lease=lease)
        tenure = Tenure(
            lease=lease,
            outbox=outbox,
            sinks=shared.metrics.sinks,
            encryption=self._encryption,
            health=shared.health,
            clock=shared.clock,
            tracing=shared.tracing,
            log=log,
        )
        try:
            await outbox.load()
            shared.health.solved("database")
            async with asyncio.TaskGroup() as tasks:
                watches = Watches(tasks, self._watch, metrics=shared.metrics, health=shared.health)
                tasks.create_task(self._share.run(watches))
                tenure.begin(tasks)
                await tenure.measure()
        finally:
            await tenure.end(self._share.farewell())

    async def _watch(self, name: str, followed: Callable[[], None]) -> None:
        shared, pbx = self._in, self._pbx_by_name[name]
        complaints = PassingComplaints(shared.health)
        session = PbxSession(
            pbx,
            token_file=token_path(shared.settings.data_dir, pbx.name),
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
