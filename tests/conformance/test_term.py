"""Terms: one after the other under ever new numbers, each with a lease that is kept and an outbox that is published."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from switchhook.errors import LeaseLost, StorageError
from switchhook.rpc import encode, serve_publish
from switchhook.runtime import term as terms
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import ServiceHealth
from switchhook.runtime.term import Tenure, serve_terms
from switchhook.storage import Database, Lease, Outbox, Statement, open_database
from switchhook.telemetry.neighbours import sink_metrics
from switchhook.telemetry.tracing import OFF
from tests.conformance.test_lease import REPLICAS, expire
from tests.deadline import eventually
from tests.events import ids, ringing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from switchhook.events import EventId
    from switchhook.rpc import Received

log = logging.getLogger("its_own")
postgres = pytest.mark.parametrize("engine", ["postgres"])
sqlite = pytest.mark.parametrize("engine", ["sqlite"])


@dataclass
class Replica:
    """A service that does nothing but publish to one sink."""

    database: Database
    lease: Lease
    sink: str
    health: ServiceHealth = field(default_factory=ServiceHealth)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    numbers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = sink_metrics(self.registry, "its", [self.sink])

    async def term(self) -> None:
        tenure = await self.joined()
        self.health.solved("database")
        self.numbers.append(self.lease.number)
        try:
            async with asyncio.TaskGroup() as tasks:
                tenure.begin(tasks)
                await tenure.measure()
        finally:
            await tenure.end()

    async def joined(self) -> Tenure:
        await self.lease.join()
        self.outbox = Outbox(self.database, "calls", [self.sink], lease=self.lease)
        await self.outbox.load()
        return Tenure(
            lease=self.lease,
            outbox=self.outbox,
            sinks=self.metrics,
            encryption=None,
            health=self.health,
            clock=utc_now,
            tracing=OFF,
            log=log,
        )

    async def append(self, number: int) -> None:
        one = ringing(number)
        await self.database.write(self.outbox.append([(one.id, encode(one))]))
        self.outbox.notify()

    @property
    def oldest(self) -> float:
        facts = {"service": "its", "sink": self.sink}
        return self.registry.get_sample_value("switchhook_outbox_oldest_age_seconds", facts) or 0.0

    def serving(self, term: Callable[[], Awaitable[None]]) -> asyncio.Task[NoReturn]:
        return asyncio.create_task(
            serve_terms(term, self.lease, health=self.health, standstill="nothing can be done", log=log)
        )


@pytest.fixture
async def replica(database_url: str, data_dir: Path, tmp_path: Path) -> AsyncIterator[Replica]:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_replicas.sql").write_text(REPLICAS)
    database = await open_database(
        database_url, data_dir=data_dir, service="its", migrations=migrations, include_outbox=True, allow_replicas=True
    )
    yield Replica(database, Lease(database), f"unix:{tmp_path}/sink.sock")
    await database.close()


async def stopped(task: asyncio.Task[NoReturn]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def said(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return sum(record.message == event and record.name == "its_own" for record in caplog.records)


async def test_events_are_published_and_what_waits_is_told_until_the_term_ends(
    replica: Replica, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[EventId] = []

    async def accept(events: Sequence[Received]) -> None:
        taken.extend(received.event.id for received in events)

    def is_acknowledged(number: int) -> bool:
        return taken == ids(number) and replica.outbox.depth(replica.sink) == 0

    serving = replica.serving(replica.term)
    await eventually(lambda: replica.numbers)
    async with serve_publish(replica.sink, accept):
        await replica.append(1)
        await eventually(partial(is_acknowledged, 1), 10)
    await eventually(lambda: [*replica.health.report().problems] == [f"sink {replica.sink}"], 10)
    await replica.append(2)
    await eventually(lambda: replica.oldest > 0)
    async with serve_publish(replica.sink, accept):
        await eventually(partial(is_acknowledged, 2), 10)
        await eventually(lambda: not replica.health.report().problems)
        await eventually(lambda: replica.oldest == 0)
        for number in (3, 4):  # the second so soon after the first that only the end of the term notes it
            await replica.append(number)
            await eventually(partial(is_acknowledged, number))
        await stopped(serving)
    assert await replica.database.read("SELECT * FROM outbox") == []
    assert await replica.database.read("SELECT * FROM replicas") == []
    assert (replica.numbers == [0]) == (engine == "sqlite")
    assert not said(caplog, "replica.lease_lost")


@postgres
async def test_a_lost_lease_ends_the_term_and_the_next_one_has_another_number_and_the_events(
    replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    serving = replica.serving(replica.term)
    await eventually(lambda: replica.numbers)
    await replica.append(1)
    await expire(replica.database, replica.lease)
    await eventually(lambda: len(replica.numbers) == 2, 10, "no term follows")
    await eventually(lambda: said(caplog, "events.adopted") == 1, 10, "they stay behind")
    await stopped(serving)
    assert replica.numbers[1] > replica.numbers[0] > 0
    assert said(caplog, "replica.lease_lost") == 1


@postgres
async def test_a_database_in_which_no_term_can_begin_is_complained_of_and_tried_again(
    replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    await replica.database.write([Statement("ALTER TABLE replicas RENAME TO away")])
    serving = replica.serving(replica.term)
    await eventually(lambda: said(caplog, "replica.not_joined") >= 2)
    assert replica.health.report().problems["database"].startswith("nothing can be done: ")
    await replica.database.write([Statement("ALTER TABLE away RENAME TO replicas")])
    await eventually(lambda: replica.numbers)
    assert "database" not in replica.health.report().problems
    await stopped(serving)


@sqlite
async def test_where_nothing_is_shared_a_database_that_refuses_ends_the_service(replica: Replica) -> None:
    await replica.database.write([Statement("DROP TABLE outbox_sinks")])
    with pytest.raises(StorageError):
        await asyncio.wait_for(replica.serving(replica.term), 5)
    assert replica.health.report().problems == {}


@sqlite
async def test_a_failure_that_is_not_only_the_loss_of_the_lease_ends_the_service(replica: Replica) -> None:
    failures = [BaseExceptionGroup("two children failed", [LeaseLost(), ZeroDivisionError()])]

    async def term() -> None:
        raise failures.pop()  # IndexError: another term was begun

    with pytest.raises(BaseExceptionGroup, match="two children failed"):
        await asyncio.wait_for(replica.serving(term), 5)


@sqlite
async def test_a_stop_in_the_moment_of_the_loss_is_not_forgotten(replica: Replica) -> None:
    """Python 3.11's TaskGroup tells of the child that failed, and not of the cancellation."""
    begun: list[bool] = []

    async def term() -> None:
        assert not begun, "it goes on"
        begun.append(True)
        try:
            await asyncio.Event().wait()
        finally:
            raise BaseExceptionGroup("a child failed", [LeaseLost()])

    serving = replica.serving(term)
    await eventually(lambda: begun)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(serving, 5)


@postgres
async def test_a_database_that_hangs_holds_nobody_up_who_leaves(
    replica: Replica, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(terms, "_GOODBYE", 0.2)
    tenure = await replica.joined()
    other = await asyncpg.connect(database_url, server_settings={"search_path": "switchhook_its"})
    async with other.transaction():
        await other.execute("LOCK TABLE replicas")
        await asyncio.wait_for(tenure.end(), 3)
        assert said(caplog, "replica.not_left") == 1
    await other.close()
