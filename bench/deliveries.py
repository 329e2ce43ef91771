"""How many webhooks a second the dispatcher sends on one core, and how soon after its event each one arrives.

A publisher hands events over by gRPC; a dispatcher in a process of its own, bound to one core, stores, sends and
settles them; a receiver takes them. First everything at once (throughput), then at a steady rate (latency, measured
from the moment an event is handed over to the moment its request has been read).

    python -m bench.deliveries [--events 20000] [--rate 1000] [--postgres] [--profile FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.dispatcher.service import Dispatcher
from switchhook.events import Call, CallId, Direction, DnKind, Event, EventType, Participant, event_id
from switchhook.rpc import encode, open_channel
from switchhook.runtime.health import Health
from switchhook.settings import DatabaseSettings, DispatcherSettings, EndpointSettings, FileserverSettings, Settings
from switchhook.telemetry.logs import configure_logging
from switchhook.v1 import events_pb2 as pb
from switchhook.v1.events_pb2_grpc import CallEventsStub
from tests.cluster import Cluster
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

EVENTS_PER_CALL = 5
BATCH = 200
PATIENCE = 120.0  # seconds


class Receiver:
    """Takes webhooks and notes when each came."""

    def __init__(self) -> None:
        self.at_by_id: dict[str, float] = {}
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on a free port."""
        runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.at_by_id[request.headers["webhook-id"]] = time.perf_counter()
        return web.Response(status=204)


def messages(count: int, *, run: int) -> Iterator[pb.Event]:
    """Events of many calls as they happen side by side, not call after call."""
    at = datetime.now(UTC)
    calls = max(count // EVENTS_PER_CALL, 1)
    for number in range(count):
        call_id, sequence = CallId(f"260301093000_{run}{number % calls:06}"), number // calls + 1
        participants = tuple(Participant(dn=str(dn), kind=DnKind.EXTENSION, joined_at=at) for dn in (800, 820, 202))
        call = Call(
            id=call_id,
            numbers=(number,),
            direction=Direction.INBOUND,
            outside_number="420777123456",
            did="Main line",
            arrived_at=at,
            participants=participants,
        )
        event = Event(
            id=event_id("main", call_id, sequence),
            type=EventType.RINGING,
            pbx="main",
            call=call,
            link=0,
            sequence=sequence,
            occurred_at=at,
            observed_at=at,
            user="202",
            user_kind=DnKind.EXTENSION,
        )
        yield pb.Event.FromString(encode(event))


async def publish(address: str, events: list[pb.Event], *, rate: float | None) -> dict[str, float]:
    """Hand the events over, in large batches or one by one at a rate; when each was handed over."""
    at_by_id: dict[str, float] = {}
    size = BATCH if rate is None else 1
    async with open_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 15)
        stream = CallEventsStub(channel).Publish()
        began = time.perf_counter()

        async def send() -> None:
            for number, start in enumerate(range(0, len(events), size), 1):
                if rate is not None and (wait := began + start / rate - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                chunk = events[start : start + size]
                at_by_id.update(dict.fromkeys((event.id for event in chunk), time.perf_counter()))
                await stream.write(pb.PublishRequest(batch=number, events=chunk))
            await stream.done_writing()

        async def answers() -> None:
            while isinstance(await stream.read(), pb.PublishResponse):
                pass

        await asyncio.gather(send(), answers())
    return at_by_id


async def measure(count: int, rate: float, profile: str, *, core: int, database: str) -> None:
    """Both runs against one dispatcher; prints the figures."""
    receiver = Receiver()
    with tempfile.TemporaryDirectory() as folder:
        async with receiver.serving():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.deliveries", "--serve", folder, receiver.url, "--core", str(core),
                "--profile", profile, "--database", database, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            address = (await process.stdout.readline()).decode().strip()
            try:
                await _at_once(receiver, address, count)
                receiver.at_by_id.clear()
                await _steadily(receiver, address, count // 2, rate)
            finally:
                process.terminate()
                await process.wait()


async def _at_once(receiver: Receiver, address: str, count: int) -> None:
    events = list(messages(count, run=1))
    began = time.perf_counter()
    await publish(address, events, rate=None)
    accepted = time.perf_counter() - began
    await _all_arrived(receiver, count)
    took = max(receiver.at_by_id.values()) - began
    print(f"at once: {count} events accepted in {accepted:.2f} s, delivered in {took:.2f} s: {count / took:.0f}/s")


async def _steadily(receiver: Receiver, address: str, count: int, rate: float) -> None:
    at_by_id = await publish(address, list(messages(count, run=2)), rate=rate)
    await _all_arrived(receiver, count)
    waits = sorted(receiver.at_by_id[id] - at for id, at in at_by_id.items())
    median, most, all_of_them = (1000 * waits[min(int(count * share), count - 1)] for share in (0.5, 0.99, 1))
    print(f"at {rate:.0f}/s: {count} events arrived after", end=" ")
    print(f"{median:.1f} ms (median), {most:.1f} ms (99 %), {all_of_them:.1f} ms (all)")


async def _all_arrived(receiver: Receiver, count: int) -> None:
    await eventually(lambda: len(receiver.at_by_id) >= count, within=PATIENCE, message="webhooks are missing")


async def serve(folder: str, url: str, *, database: str) -> None:
    """The dispatcher, until it is terminated."""
    settings = Settings(
        data_dir=Path(folder),
        database=DatabaseSettings(url=database),
        endpoint=(EndpointSettings(name="crm", url=url, format="post", allow_private=("127.0.0.0/8",)),),
        dispatcher=DispatcherSettings(listen="127.0.0.1:0", hold=timedelta(minutes=1)),
        fileserver=FileserverSettings(links="open"),
    )
    health = Health()
    dispatcher = Dispatcher.from_settings(settings, registry=CollectorRegistry())
    task = asyncio.ensure_future(dispatcher.run(health.service("dispatcher")))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await eventually(lambda: health.report()["dispatcher"].ready, within=PATIENCE)
    print(dispatcher.address, flush=True)
    used_before = time.process_time()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print(f"dispatcher: {time.process_time() - used_before:.2f} s of processor time", file=sys.stderr)


@contextlib.contextmanager
def _database(*, is_postgres: bool) -> Iterator[str]:
    if not is_postgres:
        yield "sqlite:"
        return
    cluster = Cluster({})
    try:
        cluster.start()
        yield cluster.url()
    finally:
        cluster.remove()


def main() -> None:
    """Measure, or be the dispatcher that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--profile", default="", help="write the dispatcher's cProfile here")
    parser.add_argument("--postgres", action="store_true", help="on a private PostgreSQL that syncs its commits")
    parser.add_argument("--database", default="sqlite:", help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is None:
        first, *others = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, others or [first])
        with _database(is_postgres=options.postgres) as database:
            uvloop.run(measure(options.events, options.rate, options.profile, core=first, database=database))
        return
    os.sched_setaffinity(0, {options.core})
    profiler = cProfile.Profile() if options.profile else None
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logging("json", "info", False, nowhere)
        if profiler:
            profiler.enable()
        uvloop.run(serve(*options.serve, database=options.database))
    if profiler:
        profiler.disable()
        profiler.dump_stats(options.profile)


if __name__ == "__main__":
    main()
