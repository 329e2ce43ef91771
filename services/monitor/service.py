"""The monitor as a service: one watch per PBX, one outbox, one publisher per sink."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar, NoReturn

from services.monitor.ledger import CallLedger
from services.monitor.metrics import MonitorMetrics
from services.monitor.watch import PbxWatch
from switchhook.pbx.session import PbxSession
from switchhook.rpc.publish import Publisher
from switchhook.runtime.clock import Clock, utc_now
from switchhook.storage import Outbox, open_database
from switchhook.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings, Settings

_METRICS_EVERY = 1.0  # seconds


class Monitor:
    """Serves until cancelled. Ready once it follows a PBX: without one it is of no use."""

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

    async def run(self, health: ServiceHealth) -> None:
        """Watches every PBX and publishes to every sink."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            database = await open_database(
                settings.database.url,
                data_dir=settings.data_dir,
                service=self.name,
                migrations=files("services.monitor.migrations"),
                include_outbox=True,
            )
            stack.push_async_callback(database.close)
            sinks = settings.monitor.sinks
            outbox = Outbox(database, "calls", sinks)
            await outbox.load()
            stack.push_async_callback(outbox.flush)
            watches = [
                PbxWatch(
                    pbx,
                    settings.monitor,
                    session=await stack.enter_async_context(
                        PbxSession(pbx, token_file=token_file(settings.data_dir, pbx), now=self._clock)
                    ),
                    ledger=CallLedger(database, outbox, pbx.name, health=health, tracing=self._tracing),
                    metrics=self._metrics,
                    health=health,
                    clock=self._clock,
                )
                for pbx in settings.pbx
            ]
            publishers = [
                Publisher(sink, outbox.backlog(sink), on_state=_reporter(health, f"sink {sink}")) for sink in sinks
            ]
            async with asyncio.TaskGroup() as tasks:
                for publisher in publishers:
                    tasks.create_task(publisher.run())
                for watch in watches:
                    tasks.create_task(watch.run(health.ready))
                await self._measure(outbox, sinks)

    async def _measure(self, outbox: Outbox, sinks: Sequence[str]) -> NoReturn:
        while True:
            for sink in sinks:
                self._metrics.outbox_age.labels(sink).set(outbox.oldest_age(sink).total_seconds())
            await asyncio.sleep(_METRICS_EVERY)


def token_file(data_dir: Path, pbx: PbxSettings) -> Path:
    """Where the one live token of a PBX's API client is shared with the recorder."""
    return data_dir / "tokens" / f"{pbx.name}.json"


def _reporter(health: ServiceHealth, check: str) -> Callable[[str | None], None]:
    def report(sentence: str | None) -> None:
        if sentence is None:
            health.solved(check)
        else:
            health.problem(check, sentence)

    return report
