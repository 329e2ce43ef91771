"""Migrations: applied once, in order, whole; anything unexpected is refused before it is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from switchhook.errors import SchemaMismatch, StorageBroken
from switchhook.storage import Statement, open_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.conftest import Open


async def applied(opened: Open) -> list[tuple[str, int, str]]:
    async with opened() as database:
        return await database.read("SELECT service, number, name FROM schema_migrations ORDER BY service DESC, number")


async def test_each_file_is_applied_once_and_remembered(opened: Open, migrations: Path) -> None:
    assert await applied(opened) == [("outbox", 0, "outbox"), ("notes", 1, "notes")]
    (migrations / "0002_more.sql").write_text("ALTER TABLE notes ADD COLUMN colour TEXT;\n")
    assert await applied(opened) == [("outbox", 0, "outbox"), ("notes", 1, "notes"), ("notes", 2, "more")]
    assert len(await applied(opened)) == 3


async def test_files_that_are_no_migrations_are_left_alone(opened: Open, migrations: Path) -> None:
    (migrations / "__init__.py").write_text("")
    (migrations / "README.md").write_text("")
    assert len(await applied(opened)) == 2


async def test_a_file_that_fails_leaves_nothing_of_itself(opened: Open, migrations: Path) -> None:
    (migrations / "0002_broken.sql").write_text("CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(StorageBroken, match=r"0002 \(broken\) failed: .*nowhere"):
        await applied(opened)
    (migrations / "0002_broken.sql").unlink()
    async with opened() as database:
        with pytest.raises(StorageBroken, match="half"):
            await database.read("SELECT * FROM half")


async def test_a_trigger_is_one_statement_and_each_engine_may_have_a_file_of_its_own(
    opened: Open, migrations: Path
) -> None:
    (migrations / "0002_trigger.sqlite.sql").write_text(
        "CREATE TRIGGER shout AFTER INSERT ON notes BEGIN\n"
        "    UPDATE notes SET name = upper(name) WHERE id = new.id;\n"
        "    UPDATE notes SET content = x'00' WHERE id = new.id; -- a comment; with a semicolon\n"
        "END;\n"
    )
    (migrations / "0002_trigger.postgres.sql").write_text(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n"
        "    UPDATE notes SET name = upper(name) WHERE id = new.id;\n"
        "    UPDATE notes SET content = '\\x00' WHERE id = new.id; -- a comment; with a semicolon\n"
        "    RETURN new;\n"
        "END $$;\n"
        "CREATE TRIGGER shout AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION shout();\n"
    )
    async with opened() as database:
        await database.write([Statement("INSERT INTO notes (name) VALUES ('a')")])
        assert await database.read("SELECT name, content FROM notes") == [("A", b"\x00")]


async def test_an_applied_file_that_was_edited_is_refused(opened: Open, migrations: Path) -> None:
    await applied(opened)
    file = migrations / "0001_notes.sql"
    file.write_text(file.read_text() + "-- edited\n")
    with pytest.raises(SchemaMismatch, match=r"0001 \(notes\) is not the file that was applied"):
        await applied(opened)


async def test_other_ends_of_lines_are_no_edit(opened: Open, migrations: Path) -> None:
    await applied(opened)
    file = migrations / "0001_notes.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(await applied(opened)) == 2


async def test_a_newer_version_may_have_added_something(opened: Open, migrations: Path) -> None:
    """A replica of the version before may be started again while an upgrade goes on, or after it was undone."""
    (migrations / "0002_newer.sql").write_text("ALTER TABLE notes ADD COLUMN colour TEXT;\n")
    await applied(opened)
    (migrations / "0002_newer.sql").unlink()
    async with opened() as database:
        await database.write([Statement("INSERT INTO notes (name) VALUES ('a')")])
        assert await database.read("SELECT name FROM notes") == [("a",)]


async def test_a_database_from_which_a_newer_version_took_something_is_refused(opened: Open, migrations: Path) -> None:
    (migrations / "0002_contract_notes.sql").write_text("ALTER TABLE notes DROP COLUMN content;\n")
    await applied(opened)
    (migrations / "0002_contract_notes.sql").unlink()
    with pytest.raises(SchemaMismatch, match=r"0002 \(contract_notes\), which took away what this version needs"):
        await applied(opened)


async def test_a_file_that_comes_in_between_is_refused(opened: Open, migrations: Path) -> None:
    (migrations / "0003_third.sql").write_text("CREATE TABLE third (id INTEGER);\n")
    await applied(opened)
    (migrations / "0002_second.sql").write_text("CREATE TABLE second (id INTEGER);\n")
    with pytest.raises(SchemaMismatch, match="0002 is older than one that was applied"):
        await applied(opened)


async def test_two_files_with_one_number_are_refused(opened: Open, migrations: Path) -> None:
    (migrations / "0001_other.sql").write_text("CREATE TABLE other (id INTEGER);\n")
    with pytest.raises(SchemaMismatch, match="same number"):
        await applied(opened)


async def test_a_refused_database_can_be_opened_by_the_right_version_at_once(opened: Open, migrations: Path) -> None:
    await applied(opened)
    kept = (migrations / "0001_notes.sql").read_text()
    (migrations / "0001_notes.sql").write_text("-- edited\n")
    with pytest.raises(SchemaMismatch):
        await applied(opened)
    (migrations / "0001_notes.sql").write_text(kept)
    assert len(await applied(opened)) == 2


async def test_a_file_that_is_no_database_is_named(data_dir: Path, migrations: Path) -> None:
    (data_dir / "notes.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StorageBroken, match=r"notes\.sqlite3: cannot be opened"):
        await open_database("sqlite:", data_dir=data_dir, service="notes", migrations=migrations)


async def test_an_engine_that_is_not_known_is_named(data_dir: Path, migrations: Path) -> None:
    with pytest.raises(StorageBroken, match="mysql: is not known"):
        await open_database("mysql://u:p@h/d", data_dir=data_dir, service="notes", migrations=migrations)
