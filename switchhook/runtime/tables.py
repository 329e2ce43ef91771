"""A service's own tables: opened as the settings say, shared where the engine can, and measured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from switchhook.errors import StorageInUse
from switchhook.runtime.measured import MeasuredDatabase
from switchhook.storage import open_database
from switchhook.storage.dialect import Engine
from switchhook.storage.opening import engine_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import Settings
    from switchhook.storage import Database
    from switchhook.telemetry.neighbours import DatabaseMetrics

_LOOK_AGAIN = 1.0  # seconds until a database that another version has to itself is asked for again


async def open_tables(
    settings: Settings,
    service: str,
    *,
    migrations: Traversable,
    metrics: DatabaseMetrics,
    include_outbox: bool = False,
) -> Database:
    """The service's database, migrated to this version. Raises as `open_database` does."""
    database = await open_database(
        settings.database.url,
        data_dir=settings.data_dir,
        service=service,
        migrations=migrations,
        include_outbox=include_outbox,
        allow_replicas=True,
    )
    return MeasuredDatabase(database, metrics)


async def await_tables(
    settings: Settings, service: str, *, migrations: Traversable, metrics: DatabaseMetrics, health: ServiceHealth
) -> Database:
    """The same, with an outbox; while a version that does not share has them to itself, this one stands by, ready.

    A file has one user for good: then it raises `StorageInUse`.
    """
    while True:
        try:
            database = await open_tables(settings, service, migrations=migrations, metrics=metrics, include_outbox=True)
        except StorageInUse as error:
            if engine_of(settings.database.url) is Engine.SQLITE:
                raise
            health.problem("database", f"standing by: {error}")
            health.ready()
            await asyncio.sleep(_LOOK_AGAIN)
            continue
        health.solved("database")
        return database
