"""A monitor that runs beside a test: it watches simulated PBXs and publishes to a sink that keeps what it gets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.monitor.service import Monitor
from switchhook.events import is_final
from switchhook.rpc.server import serve_publish
from switchhook.runtime.health import Health
from switchhook.settings import MonitorSettings, PbxSettings, Settings
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from simulator import Simulator
    from switchhook.events import Event
    from switchhook.rpc.received import Received

RARELY = timedelta(hours=1)


@dataclass
class Watched:
    """What the monitor has published, and the health that it reports."""

    events: list[Event] = field(default_factory=list)
    health: Health = field(default_factory=Health)

    async def accept(self, batch: Sequence[Received]) -> None:
        self.events += [received.event for received in batch]

    @property
    def ended(self) -> int:
        """How many calls are over."""
        return sum(map(is_final, self.events))

    def told(self, user: str) -> bool:
        """True once an event about a DN has come."""
        return any(event.user == user for event in self.events)


@asynccontextmanager
async def watching(folder: Path, pbx: Simulator, **intervals: timedelta) -> AsyncIterator[Watched]:
    """Follows the PBX; what is asked regularly is asked rarely, unless `intervals` say otherwise."""
    watched = Watched()
    rarely = {"idle_interval": RARELY, "directory_interval": RARELY} | intervals
    async with serve_publish("127.0.0.1:0", watched.accept) as address:
        settings = Settings(
            data_dir=folder,
            pbx=(PbxSettings(name="main", url=pbx.url, client_id="switchhook", client_secret=SecretStr("secret")),),
            monitor=MonitorSettings(sinks=(address,), **rarely),
        )
        monitor = Monitor.from_settings(settings, registry=CollectorRegistry())
        task = asyncio.ensure_future(monitor.run(watched.health.service("monitor")))
        try:
            await eventually(lambda: task.done() or watched.health.report()["monitor"].ready, within=20)
            yield watched
        finally:
            task.cancel()
            await asyncio.wait([task])
