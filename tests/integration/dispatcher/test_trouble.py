"""What the dispatcher does when its own ground gives way: the database refuses, an event is unreadable, code fails."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import grpc
import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher import delivering
from services.dispatcher.addresses import file_addresses
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.metrics import DispatcherMetrics
from services.dispatcher.service import Dispatcher
from switchhook.errors import StorageFull
from switchhook.runtime.health import Health
from switchhook.runtime.measured import MeasuredDatabase
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Running, Tables, endpoint, publish, ready, running, settings
from tests.integration.dispatcher.stock import fill, opened
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from switchhook.storage.database import Database, Row, Statement

EVENTS = [an_event(sequence=sequence) for sequence in (1, 2, 3)]


class Refusing:
    """A real database that refuses to write, or to read, while a test says so."""

    is_shared = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refuses_writes = False
        self.refuses_reads = False

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if self.refuses_writes:
            raise StorageFull
        return await self._database.write(statements)

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        if self.refuses_reads:
            raise StorageFull
        return await self._database.read(sql, parameters)

    async def close(self) -> None:
        await self._database.close()


@contextlib.asynccontextmanager
async def over(database: Database, data_dir: Path, receiver: WebhookReceiver) -> AsyncIterator[Running]:
    """A dispatcher over this database, with one endpoint."""

    configuration = settings(data_dir, endpoint(receiver))
    registry = CollectorRegistry()
    metrics = DispatcherMetrics(registry, endpoints=["crm"])

    async def open_tables() -> Database:
        return MeasuredDatabase(database, metrics.database)

    dispatcher = Dispatcher(
        [Endpoint.from_settings(configuration.endpoint[0], configuration.dispatcher)],
        settings=configuration,
        open_tables=open_tables,
        links=file_addresses(configuration),
        metrics=metrics,
    )
    async with ready(dispatcher, registry, Health()) as run:
        yield run


async def test_a_database_that_refuses_for_a_while_costs_nothing_but_time(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    database = Refusing(await opened(data_dir))

    async with WebhookReceiver() as receiver, over(database, data_dir, receiver) as run:
        database.refuses_writes = True
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await publish(run.address, EVENTS)
            assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "intake" in run.health.report()["dispatcher"].problems
        database.refuses_writes = False
        receiver.rule = lambda _: setattr(database, "refuses_writes", True)
        await publish(run.address, EVENTS)
        assert "intake" not in run.health.report()["dispatcher"].problems
        await eventually(lambda: any(record.getMessage() == "delivery.unsettled" for record in caplog.records))
        receiver.rule = None
        database.refuses_writes = False
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [event.id for event in EVENTS]
    said = [record.getMessage() for record in caplog.records]
    assert said.count("events.refused") == said.count("events.accepted_again") == 1


async def test_a_table_that_cannot_be_read_for_a_while_is_read_later(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Refusing(await opened(data_dir))
    async with WebhookReceiver(Answer(status=500)) as receiver, over(database, data_dir, receiver) as run:
        await publish(run.address, EVENTS)
        await eventually(lambda: receiver.webhooks)
        database.refuses_reads = True
        await eventually(lambda: "deliveries.unreadable" in caplog.messages)
        database.refuses_reads = False
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [EVENTS[0].id, *(event.id for event in EVENTS)]


async def test_an_unreadable_event_is_dead_and_its_call_goes_on(data_dir: Path) -> None:
    await fill(data_dir, calls=1, events_per_call=2, padding=0)
    Tables(data_dir).change("UPDATE events SET payload = x'ff' WHERE sequence = 1")
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))):
        await eventually(lambda: len(receiver.webhooks) == 1)
    assert Tables(data_dir).rows("SELECT status, reason FROM deliveries ORDER BY sequence") == [
        ("dead", "unreadable"),
        ("delivered", ""),
    ]


async def test_a_held_event_that_became_unreadable_does_not_stop_its_call(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, [EVENTS[1]])
        Tables(data_dir).change("UPDATE events SET payload = x'ff'")
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, [EVENTS[0], EVENTS[2]])
            await eventually(lambda: len(receiver.webhooks) == 2)

        assert receiver.ids == [EVENTS[0].id, EVENTS[2].id]


async def test_an_unforeseen_error_costs_an_attempt_and_not_the_endpoint(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("no such luck")

    monkeypatch.setattr(delivering, "render", broken)
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, EVENTS)
        await eventually(lambda: len(receiver.webhooks) == 3)

        assert receiver.ids == [event.id for event in EVENTS]
    assert Tables(data_dir).rows("SELECT reason FROM attempts WHERE outcome = 'retry'") == [("internal",)]


async def test_more_than_fits_in_memory_waits_in_the_table(data_dir: Path) -> None:
    events = [
        an_event(sequence=sequence, call=a_call(f"230307114903_{call}")) for sequence in (1, 2) for call in range(900)
    ]
    async with WebhookReceiver(default=Answer(delay=0.05)) as receiver:
        async with running(settings(data_dir, endpoint(receiver), concurrency=40)) as run:
            await publish(run.address, events)
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0, within=40)

        assert len(receiver.webhooks) == len(set(receiver.ids)) == len(events)
