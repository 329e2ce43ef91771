"""Replays on both engines: what becomes pending, in which order, when, and what is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.dispatcher import replay
from services.dispatcher.arrivals import CallKey
from services.dispatcher.deliveries import Status, advance
from services.dispatcher.replay_order import Progress, ReplayOrder, Skipped
from services.dispatcher.selection import Selection
from switchhook.events import EventType
from switchhook.storage.database import Statement
from switchhook.storage.times import micros
from tests.integration.dispatcher.log_stock import NOON, log_stock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.dispatcher.log_stock import LogStock

ONE = NOON + timedelta(hours=1)
CALL_1, CALL_2 = "main/260307120000_1", "main/260307120000_2"
ALL = Selection(pbx=frozenset({"main"}))


@pytest.fixture
async def stock(database_url: str, data_dir: Path) -> AsyncIterator[LogStock]:
    async with log_stock(database_url, data_dir) as stock:
        yield stock


def lane(call: str, *rows: tuple[int, str, int | None, int], endpoint: str = "crm") -> list[tuple[object, ...]]:
    """What `LogStock.lanes` says of a lane: sequence, status, due time and replays of each delivery."""
    return [(endpoint, call, *row) for row in rows]


async def seen(stock: LogStock) -> list[tuple[object, ...]]:
    return [(*row[:5], row[7]) for row in await stock.lanes()]


async def test_dead_deliveries_are_pending_again_with_the_first_as_head(stock: LogStock) -> None:
    await stock.finish(*await stock.call(1))
    replayed = await stock.replayed(ALL)
    assert (replayed.matched, dict(replayed.by_endpoint), replayed.after) == (3, {"crm": 3}, None)
    at = micros(ONE)
    assert await seen(stock) == lane(CALL_1, (1, "pending", at, 1), (2, "pending", None, 1), (3, "pending", None, 1))
    assert [(target.endpoint, target.call) for target in stock.done] == [("crm", CALL_1)] * 3


async def test_the_schedule_begins_again_and_the_log_goes_on(stock: LogStock) -> None:
    await stock.finish(*(await stock.call(1))[:1])
    await stock.replayed(ALL)
    attempts, earlier = (await stock.lanes())[0][5:7]
    assert (attempts, earlier) == (3, 3)


async def test_a_dry_run_changes_nothing(stock: LogStock) -> None:
    await stock.finish(*await stock.call(1))
    before = await stock.lanes()
    replayed = await stock.replayed(ALL, is_dry_run=True)
    assert (replayed.matched, dict(replayed.by_endpoint)) == (3, {"crm": 3})
    assert await stock.lanes() == before
    assert stock.done == []


async def test_a_head_keeps_its_place_and_a_replayed_delivery_waits_for_it(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(ids[0])
    await stock.database.write([advance("crm", CallKey(CALL_1), at=NOON)])
    await stock.replayed(ALL)
    assert await seen(stock) == lane(
        CALL_1, (1, "pending", None, 1), (2, "pending", micros(NOON), 0), (3, "pending", None, 0)
    )


async def test_a_replayed_delivery_comes_before_those_of_its_lane_that_wait(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(ids[1])
    await stock.replayed(ALL)
    at = micros(NOON)
    assert await seen(stock) == lane(CALL_1, (1, "pending", at, 0), (2, "pending", None, 1), (3, "pending", None, 0))


async def test_a_rate_spreads_the_lanes(stock: LogStock) -> None:
    await stock.finish(*await stock.call(1), *await stock.call(2))
    await stock.replayed(ALL, rate=2.0)
    heads = {row[1]: row[4] for row in await stock.lanes() if row[4] is not None}
    assert heads == {CALL_1: micros(ONE), CALL_2: micros(ONE + timedelta(seconds=1.5))}


async def test_delivered_ones_are_sent_anew_only_when_they_are_asked_for(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(*ids, status=Status.DELIVERED)
    assert (await stock.replayed(ALL)).matched == 0
    assert (await stock.replayed(Selection(ids=(ids[0],)))).by_endpoint == {"crm": 1}
    assert (await stock.replayed(Selection(call=CALL_1, states=frozenset({Status.DELIVERED})))).by_endpoint == {
        "crm": 2
    }


async def test_what_is_pending_is_left_alone_and_counted(stock: LogStock) -> None:
    ids = await stock.call(1)
    replayed = await stock.replayed(Selection(ids=tuple(ids)))
    assert (dict(replayed.by_endpoint), replayed.skipped) == ({}, {Skipped.PENDING: 3, Skipped.CHANGED: 0})


async def test_another_endpoint_gets_deliveries_of_its_own(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(ids[0], status=Status.DELIVERED)
    replayed = await stock.replayed(ALL, to="desk")
    assert dict(replayed.by_endpoint) == {"desk": 3}
    at = micros(ONE)
    desk = [row for row in await seen(stock) if row[0] == "desk"]
    assert desk == lane(
        CALL_1, (1, "pending", at, 1), (2, "pending", None, 1), (3, "pending", None, 1), endpoint="desk"
    )
    assert [row[3] for row in await seen(stock) if row[0] == "crm"] == ["delivered", "pending", "pending"]


async def test_a_removed_endpoint_and_a_type_are_told_apart(stock: LogStock) -> None:
    ids = await stock.call(1, endpoints=("crm", "gone"))
    await stock.finish(*ids)
    replayed = await stock.replayed(Selection(types=frozenset({EventType.ENDED})))
    assert dict(replayed.by_endpoint) == {"crm": 1}
    assert replayed.skipped[Skipped.ENDPOINT_REMOVED] == 1


async def test_what_was_finished_after_the_replay_began_is_not_sent_anew_again(stock: LogStock) -> None:
    ids = await stock.call(1)
    await stock.finish(*ids, at=ONE + timedelta(seconds=1))
    replayed = await stock.replayed(ALL)
    assert (dict(replayed.by_endpoint), replayed.skipped[Skipped.CHANGED]) == ({}, 3)


async def test_many_are_done_in_parts_that_go_on_where_the_last_one_ended(
    stock: LogStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 2)
    monkeypatch.setattr(replay, "MOST", 4)
    for number in (1, 2, 3):
        await stock.finish(*await stock.call(number))
    progress: Progress | None = Progress(started_at=ONE, due_at=ONE)
    parts = []
    while progress is not None:
        part = await stock.replay.run(ReplayOrder(selection=ALL, rate=1.0), progress, now=ONE)
        parts.append(part.by_endpoint["crm"])
        progress = part.after
    assert parts == [4, 4, 1]
    assert [row[4] for row in await stock.lanes() if row[4] is not None] == [
        micros(ONE + timedelta(seconds=seconds)) for seconds in (0, 3, 6)
    ]


async def test_what_was_accepted_late_goes_before_what_overtook_it(
    stock: LogStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 1)
    ids = await stock.call(1)
    swap = "UPDATE {} SET sequence = 4 - sequence WHERE call = ?"
    await stock.database.write([Statement(swap.format(table), (CALL_1,)) for table in ("events", "deliveries")])
    await stock.finish(*ids)
    replayed = await stock.replayed(ALL)
    assert dict(replayed.by_endpoint) == {"crm": 3}
    at = micros(ONE)
    assert await seen(stock) == lane(CALL_1, (1, "pending", at, 1), (2, "pending", None, 1), (3, "pending", None, 1))


async def test_ids_may_come_in_any_order(stock: LogStock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCH", 1)
    ids = await stock.call(1)
    await stock.finish(*ids)
    await stock.replayed(Selection(ids=tuple(reversed(ids))))
    assert [row[2] for row in await stock.lanes() if row[4] is not None] == [1]


async def test_a_type_can_be_one_of_switchhooks_own_events(stock: LogStock) -> None:
    assert (await stock.replayed(Selection(types=frozenset({"delivery.dead"})))).matched == 0
