"""What every engine behind `Database` promises."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import ConstraintViolated, StorageBroken, StorageFull, StorageInUse
from switchhook.storage import Database, Statement

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.conftest import Open


def insert(name: str, content: bytes = b"") -> Statement:
    return Statement("INSERT INTO notes (name, content) VALUES (?, ?) RETURNING id", (name, content))


def modes_of(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def names(database: Database) -> list[str]:
    return [name for (name,) in await database.read("SELECT name FROM notes ORDER BY id")]


async def test_a_unit_gives_the_rows_of_each_of_its_statements(database: Database) -> None:
    rows = await database.write([insert("a"), Statement("UPDATE notes SET name = 'b'"), insert("c")])
    assert rows == [[(1,)], [], [(2,)]]


async def test_a_read_sees_every_unit_whose_write_has_returned(database: Database) -> None:
    for number in range(20):
        await database.write([insert(str(number))])
        assert await database.read("SELECT count(*) FROM notes") == [(number + 1,)]


async def test_units_of_concurrent_callers_are_applied_in_the_order_of_the_calls(database: Database) -> None:
    await asyncio.gather(*(database.write([insert(str(number))]) for number in range(2_000)))
    assert await names(database) == [str(number) for number in range(2_000)]


async def test_a_refused_unit_takes_none_of_its_neighbours_with_it(database: Database) -> None:
    await database.write([insert("taken")])
    units = [[insert(f"{number}a"), insert("taken" if number % 3 == 0 else f"{number}b")] for number in range(30)]
    outcomes = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, ConstraintViolated if number % 3 == 0 else list), outcome
    kept = [f"{number}{letter}" for number in range(30) if number % 3 for letter in "ab"]
    assert await names(database) == ["taken", *kept]


async def test_a_unit_that_is_refused_only_by_the_commit_fails_alone(database: Database) -> None:
    orphan = [Statement("INSERT INTO replies (note) VALUES (404)")]
    outcomes = await asyncio.gather(
        database.write([insert("a")]), database.write(orphan), database.write([insert("b")]), return_exceptions=True
    )
    assert isinstance(outcomes[1], ConstraintViolated)
    assert await names(database) == ["a", "b"]
    assert await database.read("SELECT * FROM replies") == []


@pytest.mark.parametrize(
    "statement",
    [
        Statement("INSERT INTO nowhere VALUES (1)"),
        Statement("INSERT INTO notes (name) VALUES (?)"),
        Statement("INSERT INTO notes (name) VALUES (?)", (object(),)),
        Statement("INSERT INTO notes (id, name) VALUES (?, 'x')", (2**70,)),
        Statement("INSERT INTO notes (name) VALUES (?)", ("\ud800",)),
    ],
)
async def test_a_unit_that_makes_no_sense_fails_alone(database: Database, statement: Statement) -> None:
    outcomes = await asyncio.gather(
        database.write([insert("a")]),
        database.write([insert("dropped"), statement]),
        database.write([insert("b")]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], StorageBroken)
    assert await names(database) == ["a", "b"]


async def test_a_cancelled_caller_does_not_disturb_its_neighbours(database: Database) -> None:
    tasks = [asyncio.create_task(database.write([insert(str(number))])) for number in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, list) for outcome in outcomes[1::2])
    assert set(await names(database)) >= {str(number) for number in range(1, 50, 2)}
    assert await database.write([insert("after")])


async def test_a_read_never_sees_a_unit_in_part(database: Database) -> None:
    """Pairs are written while they are counted: an odd count would be half a unit."""

    async def write() -> None:
        for number in range(200):
            await database.write([insert(f"{number}a"), insert(f"{number}b")])

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        while not writing.done():
            [(count,)] = await database.read("SELECT count(*) FROM notes")
            assert count % 2 == 0
    assert await database.read("SELECT count(*) FROM notes") == [(400,)]


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageBroken):
        await database.read("INSERT INTO notes (name) VALUES ('x')")


async def test_a_bad_question_is_an_error_and_harms_nothing(database: Database) -> None:
    with pytest.raises(StorageBroken, match="nowhere"):
        await database.read("SELECT * FROM nowhere")
    assert await names(database) == []


async def test_a_full_disk_fails_the_whole_batch_keeps_nothing_and_passes(database: Database, engine: str) -> None:
    """The engine's own error code for a full disk, at the place where it comes."""
    await database.write([insert("before")])
    await fill_disk(database, engine)
    units = [[insert(str(number), b"x" * 20_000)] for number in range(40)]
    outcomes = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)
    failed = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, StorageFull)]
    kept = [str(number) for number, outcome in enumerate(outcomes) if isinstance(outcome, list)]
    assert failed
    assert len(failed) + len(kept) == 40
    assert await names(database) == ["before", *kept]

    await make_room(database, engine)
    await asyncio.gather(*(database.write(units[number]) for number in failed))
    assert set(await names(database)) == {"before", *map(str, range(40))}


async def fill_disk(database: Database, engine: str) -> None:
    if engine == "sqlite":
        [[(pages,)]] = await database.write([Statement("PRAGMA page_count")])
        await database.write([Statement(f"PRAGMA max_page_count = {pages + 20}")])
        return
    full = "RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file'"
    function = f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {full}; END $$"
    trigger = "CREATE TRIGGER disk AFTER INSERT ON notes FOR EACH ROW WHEN (new.id > 20) EXECUTE FUNCTION full_disk()"
    await database.write([Statement(function), Statement(trigger)])


async def make_room(database: Database, engine: str) -> None:
    await database.write(
        [Statement("PRAGMA max_page_count = 1000000" if engine == "sqlite" else "DROP TRIGGER disk ON notes")]
    )


async def test_what_was_written_is_there_after_reopening(opened: Open) -> None:
    async with opened() as database:
        await database.write([insert("a")])
    async with opened() as database:
        assert await names(database) == ["a"]


async def test_closing_finishes_what_was_asked(opened: Open) -> None:
    async with opened() as database:
        writes = [asyncio.create_task(database.write([insert(str(number))])) for number in range(100)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    async with opened() as database:
        assert len(await names(database)) == 100


async def test_a_closed_database_says_so(opened: Open) -> None:
    async with opened() as database:
        pass
    with pytest.raises(StorageBroken, match="closed"):
        await database.write([insert("a")])
    await database.close()


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_its_files_are_its_owners_alone(opened: Open, data_dir: Path) -> None:
    async with opened() as database:
        await database.write([insert("a")])
        modes = modes_of(data_dir)
    assert len(modes) == 4, "the database, its log, the log's index, and the lock"
    assert set(modes.values()) == {0o600}, modes


async def test_a_second_opening_is_refused_while_the_first_lasts(opened: Open) -> None:
    async with opened():
        with pytest.raises(StorageInUse, match="another process"):
            async with opened():
                pass
    async with opened():
        pass
