"""The outbox: kept with its cause, handed out in order, dropped once every sink has it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import ConstraintViolated
from switchhook.events import EventId
from switchhook.storage import Database, Outbox, Statement
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.conftest import Open

SINKS = ("a:1", "b:1")


def event(number: int) -> tuple[EventId, bytes]:
    return EventId(f"e{number}"), b"event %d" % number


async def append(database: Database, outbox: Outbox, numbers: Sequence[int]) -> None:
    await database.write(outbox.append([event(number) for number in numbers]))
    outbox.notify()


async def payloads(outbox: Outbox, sink: str, *, after: int = 0, limit: int = 1000) -> list[bytes]:
    return [payload for _, payload in await outbox.backlog(sink).pending(after=after, limit=limit)]


async def kept(database: Database) -> int:
    [(count,)] = await database.read("SELECT count(*) FROM outbox")
    return int(count)


async def test_every_sink_gets_every_event_in_the_order_of_the_commits(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    await asyncio.gather(*(append(database, outbox, range(n * 40, n * 40 + 40)) for n in range(5)))
    expected = [b"event %d" % number for number in range(200)]
    assert await payloads(outbox, "a:1") == expected
    assert await payloads(outbox, "b:1") == expected


async def test_it_is_handed_out_in_pieces(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    await append(database, outbox, range(5))
    first = await outbox.backlog("a:1").pending(after=0, limit=2)
    rest = await payloads(outbox, "a:1", after=first[-1][0])
    assert [payload for _, payload in first] + rest == [b"event %d" % number for number in range(5)]


async def test_what_is_acknowledged_is_not_handed_out_again(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    await append(database, outbox, range(3))
    rows = await outbox.backlog("a:1").pending(after=0, limit=10)
    await outbox.backlog("a:1").acknowledge(rows[1][0])
    assert await payloads(outbox, "a:1") == [b"event 2"]
    assert len(await payloads(outbox, "b:1")) == 3


async def test_an_event_that_is_appended_twice_is_kept_once(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    await append(database, outbox, [1, 2])
    await append(database, outbox, [2, 3])
    assert await payloads(outbox, "a:1") == [b"event 1", b"event 2", b"event 3"]


async def test_an_event_lives_and_dies_with_the_unit_that_caused_it(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    clash = Statement("INSERT INTO notes (id, name) VALUES (1, 'x'), (1, 'y')")
    with pytest.raises(ConstraintViolated):
        await database.write([*outbox.append([event(1)]), clash])
    await append(database, outbox, [2])
    assert await payloads(outbox, "a:1") == [b"event 2"]
    assert outbox.depth("a:1") == 1


async def test_rows_go_once_every_sink_has_acknowledged_them(database: Database) -> None:
    outbox = Outbox(database, "main", SINKS)
    await append(database, outbox, range(10))
    for sink in SINKS:
        rows = await outbox.backlog(sink).pending(after=0, limit=100)
        await outbox.backlog(sink).acknowledge(rows[-1][0])
        await outbox.flush()
        assert await kept(database) == (10 if sink == SINKS[0] else 0)


async def test_a_position_is_never_given_twice(opened: Open) -> None:
    positions = []
    for number in range(3):
        async with opened() as database:
            outbox = Outbox(database, "main", ["a:1"])
            await append(database, outbox, [number])
            [(position, _)] = await outbox.backlog("a:1").pending(after=0, limit=10)
            await outbox.backlog("a:1").acknowledge(position)
            await outbox.flush()
            assert await kept(database) == 0
            positions.append(position)
    assert positions == sorted(set(positions))


async def test_a_cursor_is_written_by_whoever_waits_for_more(database: Database) -> None:
    outbox = Outbox(database, "main", ["a:1"])
    backlog = outbox.backlog("a:1")
    await append(database, outbox, [1, 2])
    await backlog.acknowledge((await backlog.pending(after=0, limit=1))[0][0])
    await backlog.acknowledge((await backlog.pending(after=0, limit=1))[0][0])
    assert await backlog.pending(after=0, limit=1) == []
    waiting = asyncio.create_task(backlog.changed())
    remaining = [2]

    async def look() -> None:
        while remaining[0]:
            remaining[0] = await kept(database)

    async with asyncio.timeout(5):
        await look()
    assert not waiting.done()
    await append(database, outbox, [3])
    async with asyncio.timeout(5):
        await waiting


async def test_a_restart_goes_on_at_the_cursor(opened: Open) -> None:
    async with opened() as database:
        outbox = Outbox(database, "main", SINKS)
        await append(database, outbox, range(6))
        rows = await outbox.backlog("a:1").pending(after=0, limit=100)
        await outbox.backlog("a:1").acknowledge(rows[3][0])
        await outbox.flush()
    async with opened() as database:
        outbox = Outbox(database, "main", SINKS)
        assert await payloads(outbox, "a:1") == [b"event 4", b"event 5"]
        assert len(await payloads(outbox, "b:1")) == 6


async def test_a_sink_that_is_not_configured_any_more_holds_nothing_back(opened: Open) -> None:
    async with opened() as database:
        await append(database, Outbox(database, "main", SINKS), range(3))
    async with opened() as database:
        outbox = Outbox(database, "main", ["a:1"])
        rows = await outbox.backlog("a:1").pending(after=0, limit=100)
        await outbox.backlog("a:1").acknowledge(rows[-1][0])
        await outbox.flush()
        assert await kept(database) == 0
        assert await database.read("SELECT sink FROM outbox_sinks") == [("a:1",)]


async def test_streams_of_one_database_do_not_mix(database: Database) -> None:
    one, other = Outbox(database, "main", ["a:1"]), Outbox(database, "branch", ["a:1"])
    await append(database, one, [1])
    await append(database, other, [2])
    await append(database, one, [3])
    assert await payloads(one, "a:1") == [b"event 1", b"event 3"]
    assert await payloads(other, "a:1") == [b"event 2"]


async def test_without_sinks_nothing_is_kept(database: Database) -> None:
    outbox = Outbox(database, "main", [])
    assert outbox.append([event(1)]) == []
    outbox.notify()


async def test_depth_and_age_are_known_without_asking_the_database(database: Database) -> None:
    now = [1000.0]
    outbox = Outbox(database, "main", SINKS, now=lambda: now[0])
    await outbox.load()
    assert (outbox.depth("a:1"), outbox.oldest_age("a:1")) == (0, timedelta())
    await append(database, outbox, [1, 2])
    now[0] += 60
    await append(database, outbox, [3])
    assert (outbox.depth("a:1"), outbox.oldest_age("a:1")) == (3, timedelta(seconds=60))
    rows = await outbox.backlog("a:1").pending(after=0, limit=100)
    await outbox.backlog("a:1").acknowledge(rows[1][0])
    assert (outbox.depth("a:1"), outbox.oldest_age("a:1")) == (1, timedelta())
    assert (outbox.depth("b:1"), outbox.oldest_age("b:1")) == (3, timedelta(seconds=60))
    await outbox.backlog("a:1").acknowledge(rows[2][0])
    assert (outbox.depth("a:1"), outbox.oldest_age("a:1")) == (0, timedelta())


async def test_depth_and_age_survive_a_restart(opened: Open) -> None:
    async with opened() as database:
        await append(database, Outbox(database, "main", SINKS, now=lambda: 1000.0), range(4))
    async with opened() as database:
        outbox = Outbox(database, "main", SINKS, now=lambda: 1090.0)
        await outbox.load()
        assert (outbox.depth("b:1"), outbox.oldest_age("b:1")) == (4, timedelta(seconds=90))


async def test_an_idle_waiter_finds_what_nobody_told_it_of(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who appended was cancelled between its commit and `notify`."""
    monkeypatch.setattr("switchhook.storage.sink_backlog._LOOK_EVERY", 0.05)
    outbox = Outbox(database, "main", ["a:1"])
    backlog = outbox.backlog("a:1")
    assert await backlog.pending(after=0, limit=1) == []
    await database.write(outbox.append([event(1)]))
    async with asyncio.timeout(5):
        await backlog.changed()
    assert await payloads(outbox, "a:1") == [b"event 1"]


async def test_an_idle_waiter_is_woken_by_an_append(database: Database) -> None:
    outbox = Outbox(database, "main", ["a:1"])
    backlog = outbox.backlog("a:1")
    assert await backlog.pending(after=0, limit=1) == []
    waiting = asyncio.create_task(backlog.changed())
    await append(database, outbox, [1])
    await eventually(waiting.done)
