"""The tables themselves: lanes, heads, holds and the purge, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.arrivals import Arrival, CallArrivals, CallKey
from services.dispatcher.attempt_log import Attempt
from services.dispatcher.deliveries import Deliveries, Head, Settlement, Status, add_delivery
from services.dispatcher.kept_events import KeptEvents, StoredEvent, add_event, release
from services.dispatcher.outcome import OutcomeKind, Reason
from services.dispatcher.settling import Settling
from switchhook.errors import ConstraintViolated
from switchhook.events import EventId
from switchhook.storage import open_database
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.storage.database import Database

NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
CALL = CallKey("main/260307120000_1")


@pytest.fixture
async def database(database_url: str, data_dir: Path) -> AsyncIterator[Database]:
    migrations = files("services.dispatcher") / "migrations"
    database = await open_database(
        database_url, data_dir=data_dir, service="dispatcher", migrations=migrations, allow_replicas=True
    )
    yield database
    await database.close()


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


@pytest.fixture
def events(database: Database) -> KeptEvents:
    return KeptEvents(database)


def stored(sequence: int, call: CallKey = CALL) -> StoredEvent:
    return StoredEvent(id=EventId(f"{call}-{sequence}"), call=call, sequence=sequence, payload=b"payload")


async def keep(deliveries: Deliveries, *events: StoredEvent, at: datetime = NOW, held: datetime | None = None) -> None:
    """Add events, each with a delivery for `crm` unless it is held."""
    for event in events:
        unit = [add_event(event, accepted_at=at, held_until=held)]
        await deliveries.write(unit if held else [*unit, add_delivery(event.id, "crm", now=at)])


async def settle(
    deliveries: Deliveries, head: Head, status: Status, *, at: datetime = NOW, due_at: datetime | None = None
) -> Head | None:
    attempt = Attempt(
        number=head.attempts + 1,
        started_at=at,
        duration=timedelta(0),
        status=None,
        outcome=OutcomeKind.RETRY,
        reason=Reason.TIMEOUT,
    )
    settlement = Settlement(status=status, reason=attempt.reason, at=at, due_at=due_at, attempts=(attempt,))
    return await Settling(deliveries).settle("crm", head, settlement)


async def due(deliveries: Deliveries, *, now: datetime = NOW) -> list[Head]:
    return await deliveries.due_heads("crm", now=now, limit=10)


async def test_only_the_first_of_a_lane_is_given_out(deliveries: Deliveries) -> None:
    other = CallKey("main/260307120000_2")
    await keep(deliveries, stored(1), stored(2), stored(1, other))

    assert [(head.call, head.sequence) for head in await due(deliveries)] == [(CALL, 1), (other, 1)]


async def test_finishing_a_head_gives_the_next_by_sequence(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(3), stored(5), stored(4))
    [head] = await due(deliveries)

    following = await settle(deliveries, head, Status.DELIVERED)
    assert following is not None
    assert (following.sequence, following.event_id, following.payload) == (4, stored(4).id, b"payload")
    last = await settle(deliveries, following, Status.DEAD)
    assert last is not None
    assert await settle(deliveries, last, Status.DELIVERED) is None
    assert await due(deliveries) == []


async def test_a_postponed_head_keeps_its_lane_waiting(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1), stored(2))
    [head] = await due(deliveries)
    later = NOW + timedelta(minutes=5)

    assert await settle(deliveries, head, Status.PENDING, due_at=later) is None
    assert await due(deliveries) == []
    assert await deliveries.next_due_at("crm", after=NOW) == later
    [again] = await due(deliveries, now=later)
    assert (again.sequence, again.attempts) == (1, 1)


async def test_to_postpone_needs_a_time(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1))
    [head] = await due(deliveries)

    with pytest.raises(ValueError, match="time of its next attempt"):
        await settle(deliveries, head, Status.PENDING)


async def test_the_schema_allows_a_lane_no_second_head(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1), stored(2))

    with pytest.raises(ConstraintViolated):
        await deliveries.write([Statement("UPDATE deliveries SET due_at = ? WHERE sequence = 2", (micros(NOW),))])


async def test_a_finished_delivery_is_not_finished_again(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1))
    [head] = await due(deliveries)
    await settle(deliveries, head, Status.DEAD)
    await settle(deliveries, head, Status.DELIVERED)

    rows = await deliveries.write([Statement("UPDATE deliveries SET reason = reason RETURNING status, reason")])
    assert rows == [[("dead", "timeout")]]


async def test_an_event_and_its_delivery_are_added_once(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1))
    await keep(deliveries, stored(1))

    assert await deliveries.pending() == {"crm": 1}


async def test_arrivals_are_read_back_for_any_number_of_calls(deliveries: Deliveries, events: KeptEvents) -> None:
    await keep(deliveries, stored(1), stored(2))
    await keep(deliveries, stored(4), held=NOW)
    calls = [CALL, *(CallKey(f"main/260307120000_{number}") for number in range(2, 1_300))]

    arrivals, ids = await events.arrivals_of(calls)

    assert arrivals[CALL] == CallArrivals(reached=2, held=frozenset({Arrival(4, stored(4).id)}))
    assert arrivals[calls[-1]] == CallArrivals()
    assert len(arrivals) == len(calls)
    assert ids == {stored(sequence).id for sequence in (1, 2, 4)}


async def test_held_events_are_overdue_at_the_end_of_their_hold(deliveries: Deliveries, events: KeptEvents) -> None:
    await keep(deliveries, stored(4), held=NOW + timedelta(minutes=10))

    assert await events.overdue_holds(now=NOW, limit=10) == []
    assert await events.overdue_holds(now=NOW + timedelta(minutes=10), limit=10) == [stored(4)]
    assert await events.held_count() == 1
    await deliveries.write([release(stored(4).id)])
    assert await events.held_count() == 0


async def test_the_oldest_due_head_tells_since_when_it_is_due(deliveries: Deliveries) -> None:
    await keep(deliveries, stored(1))
    await keep(deliveries, stored(2), at=NOW + timedelta(hours=1))
    [head] = await due(deliveries)
    assert await deliveries.oldest_due_at("crm") == NOW

    await settle(deliveries, head, Status.DELIVERED, at=NOW + timedelta(hours=2))
    assert await deliveries.oldest_due_at("crm") == NOW + timedelta(hours=2)
    assert await deliveries.oldest_due_at("other") is None


async def test_the_purge_passes_by_what_is_pending_held_or_finished_lately(
    deliveries: Deliveries, events: KeptEvents
) -> None:
    for number in range(1, 8):
        await keep(deliveries, stored(1, CallKey(f"main/260307120000_{number}")))
    heads = await due(deliveries)
    for head in heads[1:6]:
        await settle(deliveries, head, Status.DELIVERED)
    await settle(deliveries, heads[6], Status.DEAD, at=NOW + timedelta(days=3))
    await keep(deliveries, stored(9), held=NOW)
    await keep(deliveries, stored(10), at=NOW + timedelta(days=2))
    before, after_event, counts = NOW + timedelta(days=1), 0, list[int]()
    for _ in range(10):
        purged = await events.purge(before=before, after_event=after_event, limit=3)
        counts.append(purged.count)
        after_event = purged.last_event
        if purged.is_last:
            break

    assert counts == [2, 3, 0]
    rows = await deliveries.write([Statement("UPDATE events SET payload = payload RETURNING call, sequence")])
    assert {(call.removeprefix("main/260307120000_"), sequence) for call, sequence in rows[0]} == {
        ("1", 1), ("7", 1), ("1", 9), ("1", 10),
    }  # fmt: skip
