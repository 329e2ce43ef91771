"""The lease: one number for each life of a replica, judged by the database's clock, and by nobody's after its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import LeaseLost, StorageBroken
from switchhook.storage import Statement, open_database
from switchhook.storage import lease as leases
from switchhook.storage.lease import BURY, IS_ANY_DEAD, Lease
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from datetime import timedelta
    from pathlib import Path

    from switchhook.storage import Database

    Opened = Callable[[], Coroutine[None, None, Database]]

postgres = pytest.mark.parametrize("engine", ["postgres"])
REPLICAS = "CREATE TABLE replicas (number INTEGER PRIMARY KEY, expires_at INTEGER NOT NULL);"
OWNED = "CREATE TABLE things (name TEXT PRIMARY KEY, owner INTEGER NOT NULL);"


@pytest.fixture
async def open_again(database_url: str, data_dir: Path, tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens the same shared tables once more, as another process does."""
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_replicas.sql").write_text(f"{REPLICAS}\n{OWNED}\n")
    async with AsyncExitStack() as stack:

        async def opened() -> Database:
            database = await open_database(
                database_url, data_dir=data_dir, service="things", migrations=migrations, allow_replicas=True
            )
            stack.push_async_callback(database.close)
            return database

        yield opened


async def expire(database: Database, lease: Lease) -> None:
    """The lease runs out."""
    await database.write([Statement("UPDATE replicas SET expires_at = 0 WHERE number = ?", (lease.number,))])


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_where_a_database_is_not_shared_the_lease_is_always_valid_and_asks_nothing(open_again: Opened) -> None:
    database = await open_again()
    lease = Lease(database)
    assert await lease.join() == 0
    assert (await lease.renew(), lease.is_valid, lease.replicas, lease.number) == (True, True, 1, 0)
    lease.demand()
    await lease.leave(Statement("there is no such statement"))
    assert await database.read("SELECT * FROM replicas") == []
    assert lease.is_valid


@postgres
async def test_everybody_gets_a_number_and_knows_how_many_there_are(open_again: Opened) -> None:
    database = await open_again()
    one, other = Lease(database), Lease(await open_again())
    assert not one.is_valid
    await one.join()
    await other.join()
    assert one.number != other.number
    assert (one.replicas, other.replicas) == (1, 2)
    assert await one.renew()
    assert one.replicas == 2
    await other.leave()
    assert await one.renew()
    assert (one.replicas, one.is_valid, other.is_valid) == (1, True, False)
    with pytest.raises(LeaseLost):
        other.demand()


@postgres
async def test_a_number_is_never_given_twice(open_again: Opened) -> None:
    database = await open_again()
    numbers = []
    for _ in range(3):
        lease = Lease(database)
        numbers.append(await lease.join())
        await lease.leave()
    assert await database.read("SELECT * FROM replicas") == []
    assert numbers == sorted(set(numbers))
    assert 0 not in numbers


@postgres
async def test_a_lease_that_ran_out_is_never_renewed_though_nobody_has_seen_it(open_again: Opened) -> None:
    database = await open_again()
    lease = Lease(database)
    number = await lease.join()
    await expire(database, lease)
    assert [await lease.renew(), lease.is_valid, await lease.renew()] == [False, False, False]
    assert await lease.join() > number
    assert [lease.is_valid, await lease.renew()] == [True, True]


@postgres
async def test_the_dead_are_buried_once_with_what_frees_their_own(open_again: Opened) -> None:
    database = await open_again()
    dead, alive = Lease(database), Lease(await open_again())
    await dead.join()
    await alive.join()
    for lease in (dead, alive):
        await database.write([Statement("INSERT INTO things VALUES (?, ?)", (f"of {lease.number}", lease.number))])
    assert await database.read(IS_ANY_DEAD) == [(False,)]
    await expire(database, dead)
    assert await database.read(IS_ANY_DEAD) == [(True,)]
    free = Statement("UPDATE things SET owner = 0 WHERE owner NOT IN (SELECT number FROM replicas) RETURNING name")
    assert await database.write([BURY, free]) == [[(dead.number,)], [(f"of {dead.number}",)]]
    assert await database.write([BURY, free]) == [[], [(f"of {dead.number}",)]]
    assert not await dead.renew()
    assert await alive.renew()


@postgres
async def test_who_leaves_frees_what_it_owned_at_once(open_again: Opened) -> None:
    database = await open_again()
    lease = Lease(database)
    await lease.join()
    await database.write([Statement("INSERT INTO things VALUES ('a', ?)", (lease.number,))])
    await lease.leave(Statement("UPDATE things SET owner = 0 WHERE owner = ?", (lease.number,)))
    assert await database.read("SELECT name, owner FROM things") == [("a", 0)]


@postgres
async def test_a_replica_stops_by_its_own_clock_before_the_others_may_begin(
    open_again: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears nothing from the database any more: it was frozen, or cut off."""
    database = await open_again()
    lease = Lease(database)
    monkeypatch.setattr(leases, "MARGIN", leases.LEASE - _seconds(0.3))
    await lease.join()
    waiting = asyncio.create_task(lease.lost())
    await asyncio.sleep(0.1)
    assert await lease.renew()
    assert not waiting.done()
    await eventually(waiting.done)
    assert [lease.is_valid, *await database.read(IS_ANY_DEAD)] == [False, (False,)]
    assert [await lease.renew(), lease.is_valid] == [True, True], "for the database it was still alive"


@postgres
async def test_a_database_that_refuses_costs_the_lease_nothing_until_its_end(open_again: Opened) -> None:
    database = await open_again()
    lease = Lease(database)
    await lease.join()
    await database.close()
    with pytest.raises(StorageBroken):
        await lease.renew()
    valid = [lease.is_valid]
    await lease.leave()
    assert [*valid, lease.is_valid] == [True, False]


@postgres
async def test_a_lease_is_kept_until_it_runs_out_whatever_the_database_refuses_meanwhile(
    open_again: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    database = await open_again()
    lease = Lease(database)
    await lease.join()
    keeping = asyncio.create_task(lease.keep(lease.renew, log=logging.getLogger("its_own")))
    await database.write([Statement("ALTER TABLE replicas RENAME TO away")])

    def refusals() -> int:
        return sum((one.name, one.message) == ("its_own", "replica.unrenewed") for one in caplog.records)

    await eventually(lambda: refusals() >= 2)
    await database.write([Statement("ALTER TABLE away RENAME TO replicas")])
    assert not keeping.done()
    await expire(database, lease)
    await eventually(keeping.done)
    assert (keeping.exception(), lease.is_valid) == (None, False)


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_where_a_database_is_not_shared_there_is_nothing_to_keep(open_again: Opened) -> None:
    lease = Lease(await open_again())
    await asyncio.wait_for(lease.keep(lease.renew, log=logging.getLogger("its_own")), 1)


def _seconds(number: float) -> timedelta:
    return leases.RENEW_EVERY * number
