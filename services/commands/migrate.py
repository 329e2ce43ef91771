"""`switchhook migrate`: opens each service's database, which brings its schema up to date, and says what was done."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from services.registry import schema_of
from switchhook.storage import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from services.registry import Schema, ServiceName
    from switchhook.settings import Settings

_APPLIED = "SELECT service, number, name FROM schema_migrations ORDER BY service, number"


def migrate(settings: Settings, names: Sequence[ServiceName]) -> Iterator[str]:
    """One line per service. Raises StorageError when a database is in use, newer than this version, or broken."""
    for name in names:
        schema = schema_of(name)
        if schema is None:
            yield f"{name}: has no database"
            continue
        path = settings.data_dir / f"{name}.sqlite3"
        before = _applied(path)
        asyncio.run(_bring_up_to_date(settings, name, schema))
        new = [line for line in _applied(path) if line not in before]
        yield f"{name}: applied {', '.join(new)}" if new else f"{name}: up to date"


async def _bring_up_to_date(settings: Settings, name: ServiceName, schema: Schema) -> None:
    database = await open_database(
        settings.database.url,
        data_dir=settings.data_dir,
        service=name,
        migrations=schema.migrations,
        include_outbox=schema.has_outbox,
    )
    await database.close()


def _applied(path: Path) -> list[str]:
    """The migrations that the file remembers; a file that cannot be read is judged when it is opened for good."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_APPLIED).fetchall()
    except sqlite3.Error:
        return []
    return [f"{service}/{number:04}_{name}" for service, number, name in rows]
