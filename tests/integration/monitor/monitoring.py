"""A monitor in this process with everything real around it: its database, simulated PBXs, and a sink over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from services.monitor.service import Monitor
from switchhook.events import Event, is_final
from switchhook.rpc import Received, serve_publish
from switchhook.runtime.health import Health, ServiceReport
from switchhook.settings import DatabaseSettings, MonitorSettings, PbxSettings, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


def pbx(name: str, url: str) -> PbxSettings:
    """A PBX that the simulator's usual client may watch."""
    return PbxSettings.model_validate(
        {"name": name, "url": url, "client_id": "switchhook", "client_secret": "secret", "timezone": "Europe/Prague"}
    )


@dataclass(slots=True)
class Sink:
    """What was published, repeats and all."""

    address: str = ""
    events: list[Event] = field(default_factory=list)

    async def accept(self, received: Sequence[Received]) -> None:
        """See `serve_publish`."""
        self.events += [one.event for one in received]

    def of(self, pbx: str) -> list[Event]:
        """The events of a PBX, each once."""
        return list({one.id: one for one in self.events if one.pbx == pbx}.values())

    def ends(self, pbx: str) -> int:
        """How many calls are over."""
        return sum(is_final(one) for one in self.of(pbx))

    def demand_sentences(self, pbx: str) -> None:
        """Each call is told without gaps, and ends once, with its last event."""
        sequences: dict[str, list[int]] = {}
        for event in self.of(pbx):
            sequences.setdefault(event.call.id, []).append(event.sequence)
        assert all(sorted(one) == list(range(1, len(one) + 1)) for one in sequences.values()), sequences
        ends = Counter(event.call.id for event in self.of(pbx) if is_final(event))
        assert set(ends.values()) <= {1}, ends


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    """A sink that listens."""
    one = Sink()
    async with serve_publish("127.0.0.1:0", one.accept) as one.address:
        yield one


@dataclass(slots=True)
class Running:
    """A monitor that runs."""

    registry: CollectorRegistry
    health: Health
    task: asyncio.Task[None]

    @property
    def report(self) -> ServiceReport:
        """What it says of itself."""
        return self.health.report()["monitor"]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels, whatever their others are."""
        samples = [sample for metric in self.registry.collect() for sample in metric.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def connected(self, *pbxs: str) -> bool:
        """True while it follows all of them."""
        return all(self.metric("switchhook_pbx_connected", pbx=one) for one in pbxs)


@contextlib.asynccontextmanager
async def monitoring(
    data_dir: Path, pbxs: Sequence[PbxSettings], to: Sink, *, database: str = "sqlite:", **monitor: Any
) -> AsyncIterator[Running]:
    """A monitor until the block ends; whatever it raised is raised then."""
    settings = Settings(
        data_dir=data_dir,
        pbx=tuple(pbxs),
        database=DatabaseSettings(url=database),
        monitor=MonitorSettings.model_validate({"sinks": (to.address,), **monitor}),
    )
    registry, health = CollectorRegistry(), Health()
    task = asyncio.create_task(_run(Monitor.from_settings(settings, registry=registry), health))
    running = Running(registry, health, task)
    health.service("monitor")
    try:
        yield running
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _run(monitor: Monitor, health: Health) -> None:
    await monitor.run(health.service("monitor"))
