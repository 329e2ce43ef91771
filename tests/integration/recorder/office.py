"""A simulated PBX, a recorder, and a sink that keeps what the recorder publishes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.recorder.service import Recorder
from switchhook.events import Call, CallId, Direction, Event, EventType, Link, Transfer, event_id
from switchhook.rpc import Publisher, encode, serve_publish
from switchhook.runtime.admin import AdminServer
from switchhook.runtime.health import Health
from switchhook.settings import PbxSettings, RecorderSettings, Settings
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from simulator import Simulator
    from simulator.play import Play
    from switchhook.rpc import Received

FINAL_SEQUENCE = 4
TOKEN = "a token of sufficient length"
_EXTENSION_LENGTH = 3


@dataclass
class Sink:
    """What was published, in order, repeats included."""

    address: str = ""
    events: list[Event] = field(default_factory=list)

    async def accept(self, events: Sequence[Received]) -> None:
        self.events += [received.event for received in events]

    def of(self, final: Event) -> list[Event]:
        return [event for event in self.events if event.call.id == final.call.id]


@dataclass
class Backlog:
    """Events to publish; forgets nothing."""

    payloads: list[bytes]
    acknowledged: int = 0
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    async def pending(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        self.grew.clear()
        return list(enumerate(self.payloads, start=1))[after : after + limit]

    async def acknowledge(self, position: int) -> None:
        self.acknowledged = position

    async def changed(self) -> None:
        await self.grew.wait()


@dataclass
class Running:
    """A recorder at work."""

    recorder: Recorder
    health: Health
    registry: CollectorRegistry
    admin: str = ""

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of the admin API."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"http://{self.admin}/api/v1{path}", **options) as response,
        ):
            return response.status, await response.json()

    @property
    def problems(self) -> dict[str, str]:
        return dict(self.health.report()["recorder"].problems)


@asynccontextmanager
async def sink_running(sink: Sink | None = None) -> AsyncIterator[Sink]:
    sink = sink or Sink()
    async with serve_publish("127.0.0.1:0", sink.accept) as sink.address:
        yield sink


@asynccontextmanager
async def recorder_running(settings: Settings) -> AsyncIterator[Running]:
    running = Running(Recorder.from_settings(settings, registry=(registry := CollectorRegistry())), Health(), registry)
    health = running.health.service("recorder")
    task = asyncio.create_task(running.recorder.run(health))
    try:
        await eventually(lambda: task.done() or health.report().ready, within=20)
        if task.done():
            await task
        routes = running.recorder.admin_routes
        async with AdminServer("127.0.0.1:0", running.health, registry, routes=routes, token=TOKEN) as admin:
            running.admin = admin.address
            yield running
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def settings_for(
    data_dir: Path, pbx: Simulator, sink: Sink, *, tables: Mapping[str, Any] | None = None, **section: Any
) -> Settings:
    """`section` is of `[recorder]`, `tables` are the others."""
    usual = {
        "poll_interval": timedelta(milliseconds=100),
        "wait_for_recording": timedelta(seconds=60),
        "verify_links": False,
    }
    chosen = {"listen": "127.0.0.1:0", **usual, **section}
    return Settings(
        data_dir=data_dir,
        pbx=(PbxSettings(name="main", url=pbx.url, client_id="switchhook", client_secret=SecretStr("secret")),),
        recorder=RecorderSettings(sinks=(sink.address,), **chosen),
        **(tables or {}),
    )


async def publish(address: str, events: Sequence[Event]) -> None:
    """Hand events over and wait until all are acknowledged."""
    backlog = Backlog([encode(event) for event in events])
    task = asyncio.create_task(Publisher(address, backlog, on_state=lambda _: None).run())
    try:
        await eventually(lambda: backlog.acknowledged == len(events), within=20)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def final_event(play: Play) -> Event:
    """What a monitor says at the end of the played call."""
    segments = play.call.conversation.segments
    talks = []
    for segment in segments:
        inside = segment.destination if segment.source.outside else segment.source
        is_outside_call = segment.source.outside != segment.destination.outside
        if is_outside_call and len(inside.dn) == _EXTENSION_LENGTH and inside.dn < "800" and segment.answered_at:
            talks.append((segment.answered_at, segment.ended_at, inside.dn))
    links = tuple(
        Link(number=number, user=user, transfer=Transfer.NONE, started_at=_moment(began), ended_at=_moment(ended))
        for number, (began, ended, user) in enumerate(sorted(talks), start=1)
    )
    arrived_at = _moment(play.call.started_at)
    call_id = CallId(f"{arrived_at:%y%m%d%H%M%S}_{play.callid}")
    numbers = dict.fromkeys([play.callid, *(segment.call.callid for segment in segments)])
    ended_at = _moment(play.ended_at)
    return Event(
        id=event_id("main", call_id, FINAL_SEQUENCE),
        type=EventType.ENDED,
        pbx="main",
        call=Call(
            id=call_id,
            numbers=tuple(numbers),
            direction=Direction.INBOUND,
            outside_number=play.cast.number,
            did="",
            arrived_at=arrived_at,
            links=links,
        ),
        link=len(links),
        sequence=FINAL_SEQUENCE,
        occurred_at=ended_at,
        observed_at=ended_at,
        user=links[-1].user if links else "",
        answered=bool(links),
    )


def _moment(seconds: float | None) -> datetime:
    assert seconds is not None
    return datetime.fromtimestamp(seconds, UTC)
