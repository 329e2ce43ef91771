"""A dispatcher with everything real around it: its database, its gRPC server, publishers and receivers."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import CollectorRegistry

from services.dispatcher.breaker import USUAL_RULES, BreakerRules
from services.dispatcher.endpoints import EventClass
from services.dispatcher.service import Dispatcher
from switchhook.rpc import encode, open_channel
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.health import Health
from switchhook.settings import DatabaseSettings, DispatcherSettings, EndpointSettings, FileserverSettings, Settings
from switchhook.telemetry.tracing import OFF, Tracing
from switchhook.v1 import events_pb2 as pb
from switchhook.v1.events_pb2_grpc import CallEventsStub
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from switchhook.events import Event
    from tests.receiver import WebhookReceiver

NO_DEADLINES = {name.value: "never" for name in EventClass}


def endpoint(receiver: WebhookReceiver | str, name: str = "crm", **keys: Any) -> EndpointSettings:
    """An endpoint in the format `post` that retries soon, and that no event is too late for: those of tests are old."""
    url = receiver if isinstance(receiver, str) else receiver.url
    keys = {
        "format": "post",
        "retry_schedule": ("100ms",) * 20,
        "deadlines": NO_DEADLINES,
        "allow_private": ("127.0.0.0/8",),
        **keys,
    }
    return EndpointSettings.model_validate({"name": name, "url": url, **keys})


def settings(
    data_dir: Path,
    *endpoints: EndpointSettings,
    links: Literal["open", "signed"] = "open",
    database: str = "sqlite:",
    **dispatcher: Any,
) -> Settings:
    """A configuration whose dispatcher listens on a free port."""
    return Settings(
        data_dir=data_dir,
        endpoint=endpoints,
        database=DatabaseSettings(url=database),
        dispatcher=DispatcherSettings.model_validate({"listen": "127.0.0.1:0", "jitter": 0.0, **dispatcher}),
        fileserver=FileserverSettings(links=links),
    )


@dataclass(slots=True)
class Running:
    """A dispatcher in this process."""

    dispatcher: Dispatcher
    registry: CollectorRegistry
    health: Health
    task: asyncio.Task[None]

    @property
    def address(self) -> str:
        assert self.dispatcher.address is not None
        return self.dispatcher.address

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value; 0 when there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    async def stop(self) -> None:
        """Cancel it, as the supervisor does, and wait until it has drained."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@contextlib.asynccontextmanager
async def running(
    configuration: Settings,
    *,
    clock: Clock = utc_now,
    breaker_rules: BreakerRules = USUAL_RULES,
    tracing: Tracing = OFF,
) -> AsyncIterator[Running]:
    """A dispatcher of a configuration that is ready."""
    registry, health = CollectorRegistry(), Health()
    dispatcher = Dispatcher.from_settings(
        configuration, registry=registry, clock=clock, breaker_rules=breaker_rules, tracing=tracing
    )
    async with ready(dispatcher, registry, health) as run:
        yield run


@contextlib.asynccontextmanager
async def ready(dispatcher: Dispatcher, registry: CollectorRegistry, health: Health) -> AsyncIterator[Running]:
    """Run the dispatcher while the context lasts."""
    task = asyncio.create_task(dispatcher.run(health.service("dispatcher")))
    run = Running(dispatcher, registry, health, task)
    try:
        await eventually(lambda: task.done() or health.report()["dispatcher"].ready, message="it is not ready")
        if task.done():
            await task
        yield run
    finally:
        await run.stop()


async def publish(address: str, events: Sequence[Event], *, batch: int = 500) -> None:
    """Hand events over and come back when all are acknowledged. Raises grpc.aio.AioRpcError."""
    async with open_channel(address) as channel:
        # A loaded machine may need more than one attempt to connect.
        await asyncio.wait_for(channel.channel_ready(), 15)
        stream = CallEventsStub(channel).Publish()
        number = 0
        for number, start in enumerate(range(0, len(events), batch), 1):
            messages = [pb.Event.FromString(encode(event)) for event in events[start : start + batch]]
            await stream.write(pb.PublishRequest(batch=number, events=messages))
        answered = 0
        while answered < number:
            answer = await stream.read()
            if not isinstance(answer, pb.PublishResponse):
                break
            answered = answer.batch
        await stream.done_writing()
        assert answered == number or (await stream.code()).name == "OK", await stream.details()
        stream.cancel()


@dataclass(frozen=True, slots=True)
class Tables:
    """The dispatcher's database file, read from outside."""

    data_dir: Path
    timeout: timedelta = field(default=timedelta(seconds=5))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query gives."""
        path = self.data_dir / "dispatcher.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=self.timeout.total_seconds())) as connection:
            return connection.execute(sql, parameters).fetchall()

    def change(self, sql: str) -> None:
        """Do what only a test may."""
        with contextlib.closing(sqlite3.connect(self.data_dir / "dispatcher.sqlite3")) as connection, connection:
            connection.execute(sql)

    def statuses(self) -> list[str]:
        """Of all deliveries, by event."""
        return [row[0] for row in self.rows("SELECT status FROM deliveries ORDER BY call, sequence, endpoint")]
