"""`switchhook migrate`: brings the schema of each service's database up to date, and says what was done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.registry import schema_of
from switchhook.storage import migrate_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.registry import ServiceName
    from switchhook.settings import Settings


def migrate(settings: Settings, names: Sequence[ServiceName]) -> Iterator[str]:
    """One line per service. Raises StorageError when a database is in use, newer than this version, or broken."""
    for name in names:
        schema = schema_of(name)
        new = asyncio.run(
            migrate_database(
                settings.database.url,
                data_dir=settings.data_dir,
                service=name,
                migrations=schema.migrations,
                include_outbox=schema.has_outbox,
            )
        )
        yield f"{name}: applied {', '.join(new)}" if new else f"{name}: up to date"
