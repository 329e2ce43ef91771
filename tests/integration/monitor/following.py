"""A monitor at work on simulated PBXs, and a sink that keeps what it publishes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.monitor.service import Monitor
from switchhook.rpc import serve_publish
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.health import Health
from switchhook.settings import MonitorSettings, PbxSettings, Settings
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from simulator import Play, Simulator
    from switchhook.events import Event, EventType
    from switchhook.rpc import Received


@dataclass
class Sink:
    """What was published, in order; an event that is sent again must be the same, and is kept once."""

    address: str = ""
    events: list[Event] = field(default_factory=list)

    async def accept(self, events: Sequence[Received]) -> None:
        known = {event.id: event for event in self.events}
        for received in events:
            if received.event.id not in known:
                self.events.append(received.event)
            assert known.setdefault(received.event.id, received.event) == received.event

    def of(self, kind: EventType, play: Play | None = None) -> list[Event]:
        """The events of a kind: of one call, or of all."""
        return [one for one in self.events if one.type is kind and (play is None or one.call.numbers[0] == play.callid)]


@dataclass
class Following:
    """A monitor that runs."""

    health: Health
    registry: CollectorRegistry

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def sink_running() -> AsyncIterator[Sink]:
    sink = Sink()
    async with serve_publish("127.0.0.1:0", sink.accept) as sink.address:
        yield sink


@asynccontextmanager
async def following(
    data_dir: Path,
    pbxs: Mapping[str, Simulator],
    sink: Sink,
    *,
    pbx: Mapping[str, Any] | None = None,
    clock: Clock = utc_now,
    **section: Any,
) -> AsyncIterator[Following]:
    """A monitor that follows all PBXs; `pbx` are further keys of theirs, `section` those of `[monitor]`."""
    tables = [
        PbxSettings(name=name, url=one.url, client_id="switchhook", client_secret=SecretStr("secret"), **(pbx or {}))
        for name, one in pbxs.items()
    ]
    settings = Settings(data_dir=data_dir, pbx=tuple(tables), monitor=MonitorSettings(sinks=(sink.address,), **section))
    at_work = Following(Health(), CollectorRegistry())
    monitor = Monitor.from_settings(settings, registry=at_work.registry, clock=clock)
    task = asyncio.create_task(monitor.run(at_work.health.service("monitor")))
    try:
        await eventually(lambda: task.done() or _follows(at_work, pbxs), within=20)
        if task.done():
            await task
        yield at_work
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _follows(at_work: Following, pbxs: Mapping[str, Simulator]) -> bool:
    return all(at_work.counted("switchhook_pbx_connected", pbx=name) == 1 for name in pbxs)
