"""Publisher and sink over real gRPC, on unix sockets and TCP: in order, nothing missing, repeats recognisable."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from switchhook.errors import AddressUnavailable, StorageBroken, StorageFull
from switchhook.rpc import Publisher, Received, encode, open_channel, serve_publish
from switchhook.storage import Database, Outbox, open_database
from switchhook.v1 import events_pb2 as pb
from switchhook.v1.events_pb2_grpc import CallEventsStub
from tests.deadline import eventually
from tests.events import ids, ringing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from switchhook.events import EventId


class Sink:
    """Remembers what it accepted; `failures` are raised first, one for each acceptance."""

    def __init__(self, *failures: Exception, keeps_before_failing: bool = False) -> None:
        self.ids: list[EventId] = []
        self.sizes: list[int] = []
        self.failures = list(failures)
        self.keeps_before_failing = keeps_before_failing
        self.gate = asyncio.Event()
        self.gate.set()

    async def accept(self, received: Sequence[Received]) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.keeps_before_failing:
            self.sizes.append(len(received))
            self.ids += [item.event.id for item in received]
        await self.gate.wait()
        if failure is not None:
            raise failure

    @property
    def first_receipts(self) -> list[EventId]:
        return list(dict.fromkeys(self.ids))


@pytest.fixture(params=["unix", "tcp"])
def listen(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}/events.sock" if request.param == "unix" else "127.0.0.1:0"


@pytest.fixture
async def database(data_dir: Path, tmp_path: Path) -> AsyncIterator[Database]:
    (tmp_path / "migrations").mkdir()
    database = await open_database(
        "sqlite:", data_dir=data_dir, service="producer", migrations=tmp_path / "migrations", include_outbox=True
    )
    yield database
    await database.close()


class Producer:
    """An outbox and a publisher for each of its sinks."""

    def __init__(self, database: Database, *sinks: str) -> None:
        self.database = database
        self.outbox = Outbox(database, "main", sinks)
        self.states: list[str | None] = []

    async def produce(self, first: int, last: int) -> None:
        events = [ringing(number) for number in range(first, last + 1)]
        await self.database.write(self.outbox.append([(event.id, encode(event)) for event in events]))
        self.outbox.notify()

    @asynccontextmanager
    async def publishing(self, *sinks: str) -> AsyncIterator[None]:
        publishers = [Publisher(sink, self.outbox.backlog(sink), on_state=self.states.append) for sink in sinks]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(publisher.run()) for publisher in publishers]
            yield
            for task in tasks:
                task.cancel()


async def test_events_arrive_in_order_and_leave_the_outbox(listen: str, database: Database) -> None:
    sink = Sink()
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        async with producer.publishing(address):
            for number in range(1, 101):
                await producer.produce(number * 10 - 9, number * 10)
            await eventually(lambda: len(sink.ids) >= 1000)
            await eventually(lambda: producer.outbox.depth(address) == 0)
    assert sink.ids == ids(1000)
    await producer.outbox.flush()
    assert await database.read("SELECT count(*) FROM outbox") == [(0,)]


async def test_a_restarted_sink_gets_everything_that_was_not_answered_again(listen: str, database: Database) -> None:
    """It kept the events, and stopped before it could say so."""
    sink = Sink()
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        async with producer.publishing(address):
            await producer.produce(1, 3)
            await eventually(lambda: producer.outbox.depth(address) == 0 and len(sink.ids) == 3)
    sink.failures, sink.keeps_before_failing = [StorageBroken("gone")] * 2, True
    await producer.produce(4, 10)
    async with producer.publishing(address):
        async with serve_publish(address, sink.accept):
            await eventually(lambda: not sink.failures, within=10)
        await producer.produce(11, 20)
        async with serve_publish(address, sink.accept):
            await eventually(lambda: producer.outbox.depth(address) == 0, within=10)
    assert sink.first_receipts == ids(20)
    assert sink.ids.count(ids(4)[3]) == 3


@pytest.mark.parametrize("failure", [StorageFull("no space"), StorageBroken("gone"), RuntimeError("a bug")])
async def test_what_is_not_accepted_is_not_acknowledged_and_sent_again(
    listen: str, database: Database, failure: Exception
) -> None:
    sink = Sink(failure, failure)
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        await producer.produce(1, 5)
        async with producer.publishing(address):
            await eventually(lambda: len(sink.failures) == 1)
            assert producer.outbox.depth(address) == 5
            await eventually(lambda: producer.outbox.depth(address) == 0 and len(sink.ids) > 0, within=10)
    assert sink.ids == ids(5)
    assert [state is None for state in producer.states] == [False, True], producer.states


async def test_the_state_says_why_a_sink_is_lost(listen: str, database: Database) -> None:
    sink = Sink(StorageFull("no space on its disk"))
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        await producer.produce(1, 1)
        async with producer.publishing(address):
            await eventually(lambda: len(producer.states) == 2)
    assert producer.states[0] is not None
    assert "RESOURCE_EXHAUSTED: no space on its disk" in producer.states[0]


async def test_a_dead_sink_does_not_delay_the_other(listen: str, database: Database, tmp_path: Path) -> None:
    dead = f"unix:{tmp_path}/nobody.sock"
    sink = Sink()
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address, dead)
        async with producer.publishing(address, dead):
            await producer.produce(1, 200)
            await eventually(lambda: len(sink.ids) == 200)
            assert producer.outbox.depth(dead) == 200
            late = Sink()
            async with serve_publish(dead, late.accept):
                await eventually(lambda: late.ids == ids(200), within=10)
    assert sink.ids == ids(200)


async def test_a_sink_that_is_idle_but_there_is_in_order(listen: str, database: Database) -> None:
    async with serve_publish(listen, Sink().accept) as address:
        producer = Producer(database, address)
        async with producer.publishing(address):
            await eventually(lambda: producer.states == [None])


async def test_batches_that_wait_are_accepted_together(listen: str, database: Database) -> None:
    sink = Sink()
    sink.gate.clear()
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        async with producer.publishing(address):
            await producer.produce(1, 1)
            await eventually(lambda: sink.sizes == [1])
            for number in range(2, 50):
                await producer.produce(number, number)
            await asyncio.sleep(0.1)  # for the batches to be under way: nothing can be seen of them from outside
            sink.gate.set()
            await eventually(lambda: len(sink.ids) == 49)
    assert sink.ids == ids(49)
    assert len(sink.sizes) < 15


async def test_large_events_go_in_batches_that_fit(listen: str, database: Database) -> None:
    sink = Sink()
    events = [replace(ringing(number), traceparent="x" * 200_000) for number in range(1, 41)]
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        await database.write(producer.outbox.append([(event.id, encode(event)) for event in events]))
        async with producer.publishing(address):
            await eventually(lambda: sink.ids == ids(40), within=10)


async def test_what_a_sink_began_to_accept_it_finishes_although_the_producer_went_away(
    listen: str, database: Database
) -> None:
    finished = asyncio.Event()
    begun = asyncio.Event()
    gate = asyncio.Event()

    async def accept(_received: Sequence[Received]) -> None:
        begun.set()
        await gate.wait()
        finished.set()

    async with serve_publish(listen, accept) as address:
        producer = Producer(database, address)
        async with producer.publishing(address):
            await producer.produce(1, 1)
            async with asyncio.timeout(5):
                await begun.wait()
        gate.set()
        async with asyncio.timeout(5):
            await finished.wait()


async def test_a_sink_that_stops_answers_for_what_it_is_accepting(listen: str, database: Database) -> None:
    sink = Sink()
    sink.gate.clear()
    async with serve_publish(listen, sink.accept) as address:
        producer = Producer(database, address)
        publishing = producer.publishing(address)
        await publishing.__aenter__()
        await producer.produce(1, 3)
        await eventually(lambda: sink.ids == ids(3))
        asyncio.get_running_loop().call_later(0.2, sink.gate.set)
    await eventually(lambda: producer.outbox.depth(address) == 0)
    await publishing.__aexit__(None, None, None)
    assert sink.ids == ids(3)


async def test_an_event_of_a_newer_sender_is_refused_and_nothing_of_its_batch_accepted(listen: str) -> None:
    sink = Sink()
    newer = pb.Event.FromString(encode(ringing(2)))
    newer.type = 99  # type: ignore[assignment]  # no number that this version knows
    async with serve_publish(listen, sink.accept) as address, open_channel(address) as channel:
        call = CallEventsStub(channel).Publish()
        await call.write(pb.PublishRequest(batch=1, events=[pb.Event.FromString(encode(ringing(1))), newer]))
        with pytest.raises(grpc.aio.AioRpcError, match="the sender is newer"):
            await call.read()
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sink.ids == []


async def test_bytes_that_are_no_batch_are_refused_and_no_error_of_the_server(
    listen: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve_publish(listen, Sink().accept) as address, open_channel(address) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream("/switchhook.v1.CallEvents/Publish")()
        await call.write(b"\xff\xff\xff")
        with pytest.raises(grpc.aio.AioRpcError, match="not a batch of events"):
            await call.read()
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


async def test_the_standard_health_service_answers(listen: str) -> None:
    async with serve_publish(listen, Sink().accept) as address, open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "switchhook.v1.CallEvents"):
            # Its stub has no types: the members are made when it is built.
            check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
                vars(stub)["Check"]
            )
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with serve_publish("127.0.0.1:0", Sink().accept) as address:
        with pytest.raises(AddressUnavailable, match="cannot listen"):
            async with serve_publish(address, Sink().accept):
                pass


async def test_a_unix_socket_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.sock"
    async with serve_publish(f"unix:{path}", Sink().accept):
        assert path.stat().st_mode & 0o777 == 0o600
