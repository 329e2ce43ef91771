"""The delivery log on both engines: filters, pages, times, and how long a wide question takes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.dispatcher import delivery_log, log_walk
from services.dispatcher.deliveries import Status
from services.dispatcher.selection import Selection
from switchhook.events import EventType
from switchhook.storage.database import Statement
from switchhook.storage.times import micros
from tests.integration.dispatcher.log_stock import NOON, log_stock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from services.dispatcher.logged import LoggedDelivery
    from tests.integration.dispatcher.log_stock import LogStock


@pytest.fixture
async def stock(database_url: str, data_dir: Path) -> AsyncIterator[LogStock]:
    async with log_stock(database_url, data_dir) as stock:
        yield stock


async def everything(stock: LogStock, selection: Selection, *, limit: int = 100) -> list[LoggedDelivery]:
    """All pages."""
    found: list[LoggedDelivery] = []
    after = None
    while True:
        page = await stock.log.page(selection, limit=limit, after=after)
        assert len(page.deliveries) <= limit
        found += page.deliveries
        if page.after is None:
            return found
        assert page.after != after
        after = page.after


async def test_an_empty_log_has_one_empty_page(stock: LogStock) -> None:
    page = await stock.log.page(Selection(), limit=10)
    assert (page.deliveries, page.after) == ((), None)
    assert await stock.log.backlog("crm") == (0, None)
    assert await stock.log.last_failure("crm") is None


async def test_the_newest_events_come_first_and_each_delivery_once(stock: LogStock) -> None:
    ids = [*await stock.call(1, endpoints=("crm", "desk")), *await stock.call(2, endpoints=("crm", "desk"))]
    found = await everything(stock, Selection(), limit=5)
    assert sorted(map(str, ids)) == sorted(str(each.id) for each in found)
    numbers = [each.number for each in found]
    assert numbers == sorted(numbers, reverse=True)


async def test_oldest_first_goes_the_other_way(stock: LogStock) -> None:
    for number in range(4):
        await stock.call(number, endpoints=("crm", "desk"))
    found, after = [], None
    while True:
        page = await stock.log.page(Selection(), limit=5, after=after, newest_first=False)
        found += [(each.number, each.id.endpoint) for each in page.deliveries]
        if page.after is None:
            break
        after = page.after
    assert found == sorted(found)
    assert len(found) == 24


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(states=frozenset({Status.DEAD})), 2),
        (Selection(states=frozenset({Status.DEAD, Status.PENDING})), 11),
        (Selection(endpoints=frozenset({"desk"})), 3),
        (Selection(types=frozenset({EventType.ENDED})), 4),
        (Selection(call="260307120000_1"), 9),
        (Selection(call="main/260307120000_1"), 6),
        (Selection(call="260307120000_1", pbx=frozenset({"branch"})), 3),
        (Selection(call="260307120000"), 0),
        (Selection(pbx=frozenset({"main"})), 9),
        (Selection(pbx=frozenset({"m_in"})), 0),
        (Selection(since=NOON + timedelta(minutes=30)), 3),
        (Selection(until=NOON + timedelta(minutes=30)), 9),
        (Selection(since=NOON + timedelta(hours=3)), 0),
        (
            Selection(
                types=frozenset({EventType.ENDED}), endpoints=frozenset({"crm"}), states=frozenset({Status.DEAD})
            ),
            0,
        ),
    ],
)
async def test_a_selection_finds_what_it_says(stock: LogStock, selection: Selection, count: int) -> None:
    ids = await stock.call(1, endpoints=("crm", "desk"))
    await stock.call(1, pbx="branch")
    await stock.call(2, at=NOON + timedelta(hours=1))
    await stock.finish(*ids[:2])
    await stock.finish(ids[2], status=Status.DELIVERED)
    assert len(await everything(stock, selection)) == count
    assert len(await everything(stock, selection, limit=1)) == count


async def test_an_id_of_a_call_is_looked_for_in_the_configured_pbxs(database_url: str, data_dir: Path) -> None:
    async with log_stock(database_url, data_dir, pbx_names=("main", "other")) as stock:
        await stock.call(1)
        await stock.call(1, pbx="removed")
        assert len(await everything(stock, Selection(call="260307120000_1"))) == 3
        assert len(await everything(stock, Selection(call="removed/260307120000_1"))) == 3


async def test_gaps_between_events_and_many_windows_cost_nothing_but_time(
    stock: LogStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_walk, "WINDOW", 2)
    monkeypatch.setattr(delivery_log, "WINDOWS", 3)
    ids = [*await stock.call(1), *await stock.call(2), *await stock.call(3), *await stock.call(4)]
    await stock.finish(ids[0], ids[-1])
    gone = [each.number for each in await everything(stock, Selection(call="260307120000_2"))]
    for table, column in (("deliveries", "event"), ("events", "number")):
        for number in gone:
            await stock.database.write([Statement(f"DELETE FROM {table} WHERE {column} = ?", (number,))])
    assert len(await everything(stock, Selection())) == 9
    dead = await everything(stock, Selection(states=frozenset({Status.DEAD})))
    assert [str(each.id) for each in dead] == [str(ids[-1]), str(ids[0])]


async def test_one_delivery_with_its_event(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(ids[0])
    delivery = await stock.log.one(ids[0])
    assert delivery is not None
    assert delivery.event is not None
    assert (delivery.event.type, delivery.state, delivery.reason, delivery.attempts) == (
        EventType.RINGING,
        Status.DEAD,
        "timeout",
        3,
    )
    assert await stock.log.one(type(ids[0])(ids[0].event, "nobody")) is None


async def test_ten_thousand_rows_are_paged_quickly(stock: LogStock) -> None:
    for number in range(3_334):
        await stock.call(number)
    began = time.monotonic()
    found = await everything(stock, Selection(), limit=500)
    assert len(found) == 10_002
    assert time.monotonic() - began < 10, "all pages"
    began = time.monotonic()
    assert await everything(stock, Selection(states=frozenset({Status.DEAD}))) == []
    assert len(await everything(stock, Selection(call="main/260307120000_77"))) == 3
    assert time.monotonic() - began < 2, "a question with few answers"


ADD_ATTEMPT = """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt)
SELECT number, 'crm', 1, ?, 0, 500, 'retry', ?, '' FROM events WHERE id = ?"""


@pytest.mark.parametrize("status", [Status.DEAD, None])
async def test_the_last_failure_is_found_also_when_it_was_long_ago(
    stock: LogStock, monkeypatch: pytest.MonkeyPatch, status: Status | None
) -> None:
    monkeypatch.setattr(delivery_log, "WINDOW", 2)
    ids = await stock.call(1)
    await stock.database.write([Statement(ADD_ATTEMPT, (micros(NOON), "server_error", ids[0].event))])
    if status is not None:
        await stock.finish(ids[0], status=status)
    await stock.call(2)
    failure = await stock.log.last_failure("crm")
    assert failure is not None
    assert (failure.at, failure.reason, failure.status) == (NOON, "server_error", 500)
    assert await stock.log.last_failure("desk") is None


async def test_a_backlog_is_counted_from_its_oldest_event(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.call(2, at=NOON + timedelta(hours=1))
    await stock.finish(*ids)
    assert await stock.log.backlog("crm") == (3, NOON + timedelta(hours=1))
