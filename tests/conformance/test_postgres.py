"""What only a server can do to us: restart, vanish, be shared or somebody else's; and what must not be told of it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from switchhook.errors import ConstraintViolated, StorageBroken, StorageError, StorageInUse
from switchhook.storage import Database, Outbox, Statement, open_database
from switchhook.storage.postgres_connection import lock_key
from tests.cluster import Cluster
from tests.conformance.test_database import insert, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.conformance.conftest import Open

pytestmark = pytest.mark.parametrize("engine", ["postgres"])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of our own, which may be killed."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def share(database_url: str, data_dir: Path, migrations: Path) -> Open:
    """Opens the same tables together with others."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Database]:
        database = await open_database(
            database_url,
            data_dir=data_dir,
            service="notes",
            migrations=migrations,
            include_outbox=True,
            allow_replicas=True,
        )
        try:
            yield database
        finally:
            await database.close()

    return open_it


@pytest.fixture
async def shared(share: Open) -> AsyncIterator[list[Database]]:
    """The same tables, open twice."""
    async with share() as one, share() as other:
        yield [one, other]


async def written(database: Database, name: str) -> int:
    """Write until it is confirmed, as callers do; how often it was refused."""
    refusals = 0
    async with asyncio.timeout(30):
        while True:
            try:
                await database.write(
                    [
                        Statement("INSERT INTO notes (name) VALUES (?) ON CONFLICT DO NOTHING", (name,)),
                        insert(f"{name}+"),
                    ]
                )
            except ConstraintViolated:  # the answer of the commit was lost, not the commit
                return refusals
            except StorageError:
                refusals += 1
                await asyncio.sleep(0.02)
            else:
                return refusals


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restart_of_the_server_loses_nothing_that_was_confirmed(
    database: Database, cluster: Cluster, how: signal.Signals
) -> None:
    confirmed: list[str] = []

    async def write(worker: int) -> None:
        for number in range(60):
            await written(database, f"{worker}-{number}")
            confirmed.append(f"{worker}-{number}")

    async with asyncio.TaskGroup() as group:
        for worker in range(8):
            group.create_task(write(worker))
        for _ in range(2):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(cluster.stop, how)
            cluster.start()
    kept = await names(database)
    assert set(kept) == {name + end for name in confirmed for end in ("", "+")}
    assert len(kept) == len(set(kept)) == 8 * 60 * 2


async def test_while_the_server_is_down_everything_is_refused_at_once_and_named(
    database: Database, cluster: Cluster
) -> None:
    cluster.stop()
    try:
        for _ in range(2):
            async with asyncio.timeout(5):
                with pytest.raises(StorageBroken):
                    await database.write([insert("a")])
                with pytest.raises(StorageBroken):
                    await database.read("SELECT 1")
    finally:
        cluster.start()
    assert await written(database, "b") == 0
    assert await names(database) == ["b", "b+"]


async def test_whose_session_was_lost_while_another_process_owned_the_tables_is_refused_for_good(
    opened: Open, cluster: Cluster, database_url: str
) -> None:
    async with opened() as first:
        await first.write([insert("a")])
        await end_sessions(database_url)
        async with opened() as second:
            with pytest.raises(StorageInUse, match="another process runs the notes"):
                await first.write([insert("b")])
            await second.write([insert("c")])
        for _ in range(2):
            with pytest.raises(StorageInUse, match="another process ran the notes"):
                await first.write([insert("d")])
    async with opened() as third:
        assert await names(third) == ["a", "c"]


async def test_whose_session_was_lost_goes_on_when_nobody_owned_the_tables_in_between(
    database: Database, database_url: str
) -> None:
    await database.write([insert("a")])
    await end_sessions(database_url)
    await written(database, "b")
    assert await names(database) == ["a", "b", "b+"]


async def test_an_owner_and_those_who_share_never_have_the_tables_at_the_same_time(
    opened: Open, share: Open, database_url: str
) -> None:
    """An older version owns what a newer one shares: while it is replaced, both are there."""
    async with opened() as owner:
        with pytest.raises(StorageInUse, match="another process runs the notes"):
            async with share():
                pass
        await owner.write([insert("a")])
        await end_sessions(database_url)
        async with share() as one, share() as other:
            with pytest.raises(StorageInUse, match="another process runs the notes"):
                await owner.write([insert("b")])
            await end_sessions(database_url)
            await written(one, "c")
            await written(other, "d")
        with pytest.raises(StorageInUse, match="another process ran the notes"):
            await owner.write([insert("e")])
    async with opened() as owner:
        assert set(await names(owner)) == {"a", "c", "c+", "d", "d+"}


async def test_tables_that_may_be_shared_are_written_by_several(shared: list[Database]) -> None:
    one, other = shared
    assert one.is_shared
    await asyncio.gather(*(shared[number % 2].write([insert(str(number))]) for number in range(200)))
    assert set(await names(one)) == set(await names(other)) == {str(number) for number in range(200)}


async def test_a_deadlock_between_processes_is_resolved_unseen(shared: list[Database]) -> None:
    await shared[0].write([insert("a"), insert("b")])
    touch = [Statement("UPDATE notes SET content = ? WHERE name = ?", (b"x", name)) for name in "ab"]
    for _ in range(3):
        pause = Statement("SELECT pg_sleep(0.05)")
        await asyncio.gather(
            shared[0].write([touch[0], pause, touch[1]]),
            shared[1].write([touch[1], pause, touch[0]]),
        )


async def test_processes_that_start_at_once_migrate_one_after_the_other(
    database_url: str, data_dir: Path, migrations: Path
) -> None:
    async def opened() -> None:
        database = await open_database(
            database_url, data_dir=data_dir, service="notes", migrations=migrations, allow_replicas=True
        )
        assert len(await database.read("SELECT * FROM schema_migrations")) == 1
        await database.close()

    await asyncio.gather(*(opened() for _ in range(6)))


async def test_services_of_one_database_do_not_see_each_others_tables(
    opened: Open, database_url: str, data_dir: Path, migrations: Path
) -> None:
    other = await open_database(database_url, data_dir=data_dir, service="other", migrations=migrations)
    async with opened() as database:
        await database.write([insert("a")])
        assert await names(other) == []
    await other.close()


async def test_no_value_and_no_password_is_in_an_error(
    database: Database, data_dir: Path, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switchhook.storage.postgres_connection.START_PATIENCE", 0.2)  # no server will come
    number = "+420777123456"
    await database.write([insert(number)])
    outcomes = await asyncio.gather(
        database.write([insert(number)]),
        database.write([Statement("INSERT INTO notes (id, name) VALUES (?, ?)", (number, number))]),
        database.write(
            [Statement("INSERT INTO notes (id, name) VALUES (CAST(? AS TEXT)::bigint, 'x')", (number * 2,))]
        ),
        database.read("SELECT * FROM notes WHERE id = ?", (number,)),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, StorageError) for outcome in outcomes)
    errors: list[object] = list(outcomes)
    for url in (
        "postgresql://u:hunter2@127.0.0.1:1/d",
        "postgresql://u:hunter2@127.0.0.1:x/d",
        "postgresql://u:hunter2@",
    ):
        with pytest.raises(StorageBroken) as caught:
            await open_database(url, data_dir=data_dir, service="notes", migrations=migrations)
        errors.append(caught.value)
    for error in errors:
        assert isinstance(error, BaseException)
        assert error.__cause__ is None
        assert number not in str(error)
        assert "hunter2" not in str(error)


async def test_commits_are_durable_even_where_the_server_is_set_otherwise(
    database: Database, cluster: Cluster, database_url: str
) -> None:
    name = database_url.partition("@/")[2].partition("?")[0]
    await cluster.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await end_sessions(database_url)
    await written(database, "a")
    assert await database.write([Statement("SHOW synchronous_commit")]) == [[("on",)]]


async def test_an_outbox_in_two_hands_is_impossible(opened: Open) -> None:
    """Positions are given at the insert: with two writers one could appear behind a cursor that has passed it."""
    async with opened() as database:
        await Outbox(database, "main", ["a:1"]).load()
        [(locks,)] = await database.read(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = ?",
            (lock_key("switchhook_notes") & 0xFFFFFFFF,),
        )
        assert locks == 1


async def end_sessions(url: str) -> None:
    """What a failover of the network or of the server does to every session."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


async def test_a_server_that_is_started_together_with_us_is_waited_for(tmp_path: Path, engine: str) -> None:
    assert engine
    cluster = Cluster()
    (tmp_path / "migrations").mkdir()

    async def opened() -> Database:
        return await open_database(
            cluster.url(), data_dir=tmp_path, service="notes", migrations=tmp_path / "migrations", allow_replicas=True
        )

    opening = asyncio.create_task(opened())
    try:
        done, _ = await asyncio.wait([opening], timeout=1)
        assert not done
        await asyncio.to_thread(cluster.start)
        database = await asyncio.wait_for(opening, 60)
        assert await database.read("SELECT 1") == [(1,)]
        await database.close()
    finally:
        await asyncio.to_thread(cluster.remove)
