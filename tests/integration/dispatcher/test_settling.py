"""Settlements that end together: one unit, each its own outcome, on both databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.arrivals import CallKey
from services.dispatcher.deliveries import Addition, Deliveries, Settlement, Status, add_deliveries, added
from services.dispatcher.kept_events import add_event
from services.dispatcher.outcome import Reason
from services.dispatcher.settling import Settling
from switchhook.errors import StorageBroken
from switchhook.storage.database import Statement
from tests.integration.dispatcher.test_deliveries import NOW, database, due, keep, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dispatcher.deliveries import Head
    from switchhook.storage.database import Database, Row

__all__ = ["database"]

DELIVERED = Settlement(status=Status.DELIVERED, reason=Reason.NONE, at=NOW)
CALLS = [CallKey(f"main/260307120000_{number}") for number in range(5)]


class Counting(Deliveries):
    """Counts the units; `refused` is a call for which the database would refuse a statement."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.doubted: list[CallKey] = []
        self.doubt = lambda _endpoint, call: self.doubted.append(call)
        self.units = 0
        self.spoil: Statement | None = None

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        self.units += 1
        rows = await super().write([*statements, *([self.spoil] if self.spoil and _is_finish(statements) else [])])
        return rows[: len(statements)]


def _is_finish(statements: Sequence[Statement]) -> bool:
    return any("settled_at" in statement.sql for statement in statements)


@pytest.fixture
def deliveries(database: Database) -> Counting:
    return Counting(database)


async def heads_of(deliveries: Counting) -> list[Head]:
    for call in CALLS:
        await keep(deliveries, stored(1, call), stored(2, call))
    heads = await due(deliveries)
    deliveries.units = 0
    return heads


async def test_turns_that_end_while_a_commit_is_under_way_share_the_next_one(deliveries: Counting) -> None:
    settling, heads = Settling(deliveries), await heads_of(deliveries)
    following = await asyncio.gather(*(settling.settle("crm", head, DELIVERED) for head in heads))
    assert [(head.call, head.sequence) for head in following if head] == [(call, 2) for call in CALLS]
    assert deliveries.units < len(CALLS)
    assert deliveries.doubted == []
    last = await asyncio.gather(*(settling.settle("crm", head, DELIVERED) for head in following if head))
    assert last == [None] * len(CALLS)
    assert sorted(deliveries.doubted) == CALLS
    assert await due(deliveries) == []


async def test_what_is_not_the_settlers_any_more_stays_and_the_others_are_settled(deliveries: Counting) -> None:
    settling, heads = Settling(deliveries), await heads_of(deliveries)
    await deliveries.write([Statement("UPDATE deliveries SET owner = 9 WHERE call = ? AND sequence = 1", (CALLS[1],))])
    following = await asyncio.gather(*(settling.settle("crm", head, DELIVERED) for head in heads))
    assert [None if head is None else head.sequence for head in following] == [2, None, 2, 2, 2]
    question = "SELECT status, owner FROM deliveries WHERE call = ? AND sequence = 1"
    rows = await deliveries.write([Statement(question, (CALLS[1],))])
    assert rows == [[("pending", 9)]]


async def test_a_refusal_is_everyones_own_and_the_next_ones_go_on(deliveries: Counting) -> None:
    settling, heads = Settling(deliveries), await heads_of(deliveries)
    deliveries.spoil = Statement("INSERT INTO nowhere VALUES (1)")
    refused = await asyncio.gather(*(settling.settle("crm", head, DELIVERED) for head in heads), return_exceptions=True)
    assert [type(each) for each in refused] == [StorageBroken] * len(CALLS)
    deliveries.spoil = None
    following = await asyncio.gather(*(settling.settle("crm", head, DELIVERED) for head in heads))
    assert all(head is not None and head.sequence == 2 for head in following)


async def test_a_turn_whose_caller_is_gone_is_settled_all_the_same(deliveries: Counting) -> None:
    settling, heads = Settling(deliveries), await heads_of(deliveries)
    waiting = [asyncio.create_task(settling.settle("crm", head, DELIVERED)) for head in heads]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [head.sequence for head in await due(deliveries)] == [2] * len(CALLS)


async def test_deliveries_that_are_added_together_have_one_head_in_each_lane(deliveries: Counting) -> None:
    events = [stored(sequence, call) for sequence in (2, 1, 3) for call in CALLS]
    await deliveries.write([add_event(event, accepted_at=NOW) for event in events])
    statement = add_deliveries(
        [Addition(event_id=event.id, endpoint=name) for event in events for name in ("crm", "erp")], now=NOW
    )
    [rows] = await deliveries.write([statement])
    made = [added(row) for row in rows]
    assert len(made) == 2 * len(events)
    assert {each.event_id for each in made if each.is_head} == {stored(1, call).id for call in CALLS}
    # The same once more makes nothing, also when the heads are gone.
    await asyncio.gather(*(Settling(deliveries).settle("crm", head, DELIVERED) for head in await due(deliveries)))
    assert await deliveries.write([statement]) == [[]]


async def test_an_addition_behind_a_finished_delivery_becomes_the_head(deliveries: Counting) -> None:
    events = [stored(1), stored(2)]
    await deliveries.write([add_event(event, accepted_at=NOW) for event in events])
    both = [Addition(event_id=event.id, endpoint="crm") for event in events]
    await deliveries.write([add_deliveries(both[:1], now=NOW)])
    [head] = await due(deliveries)
    await Settling(deliveries).settle("crm", head, DELIVERED)
    [[row]] = await deliveries.write([add_deliveries(both, now=NOW)])
    assert (added(row).event_id, added(row).is_head) == (stored(2).id, True)


@pytest.mark.parametrize("engine", ["postgres"])
async def test_adding_on_postgresql_does_not_read_all_that_is_pending(deliveries: Counting) -> None:
    statement = add_deliveries([Addition(event_id=stored(1).id, endpoint="crm")], now=NOW)
    [plan] = await deliveries.write([Statement(f"EXPLAIN VERBOSE {statement.sql}", statement.parameters)])
    assert "hashed SubPlan" not in "\n".join(line for (line,) in plan)
    assert "Index" in "\n".join(line for (line,) in plan)
