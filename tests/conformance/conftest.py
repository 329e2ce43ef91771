"""A database of each engine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from switchhook.storage import Database, open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Open = Callable[[], AbstractAsyncContextManager[Database]]

SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    content BLOB
);
CREATE TABLE replies (
    id INTEGER PRIMARY KEY,
    note INTEGER NOT NULL REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
);
"""


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A folder with one migration."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_notes.sql").write_text(SCHEMA)
    return folder


@pytest.fixture
def opened(database_url: str, data_dir: Path, migrations: Path) -> Open:
    """Opens the same database, again and again."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Database]:
        database = await open_database(
            database_url, data_dir=data_dir, service="notes", migrations=migrations, include_outbox=True
        )
        try:
            yield database
        finally:
            await database.close()

    return open_it


@pytest.fixture
async def database(opened: Open) -> AsyncIterator[Database]:
    """An open database with the tables `notes`, `replies` and the outbox."""
    async with opened() as database:
        yield database
