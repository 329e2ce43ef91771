"""A service's tables: measured on each engine, and waited for while an older version has them to itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from switchhook.errors import StorageError, StorageInUse
from switchhook.runtime.health import ServiceHealth
from switchhook.runtime.tables import await_tables, open_tables
from switchhook.settings import DatabaseSettings, Settings
from switchhook.storage import Statement, open_database
from switchhook.telemetry.neighbours import DatabaseMetrics
from tests.deadline import eventually

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(database_url: str, data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, database=DatabaseSettings(url=database_url))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> DatabaseMetrics:
    return DatabaseMetrics(registry, "notes")


async def test_tables_are_shared_where_the_engine_can_and_measured(
    engine: str, settings: Settings, migrations: Path, metrics: DatabaseMetrics, registry: CollectorRegistry
) -> None:
    database = await open_tables(settings, "notes", migrations=migrations, metrics=metrics)
    assert database.is_shared == (engine == "postgres")
    await database.write([Statement("INSERT INTO notes (name) VALUES ('a')")])
    assert await database.read("SELECT name FROM notes") == [("a",)]
    with pytest.raises(StorageError):
        await database.read("SELECT * FROM outbox")  # nobody asked for one
    await database.close()
    samples = {
        kind: registry.get_sample_value("switchhook_database_seconds_count", {"service": "notes", "kind": kind})
        for kind in ("commit", "query")
    }
    assert samples == {"commit": 1, "query": 1}


@pytest.mark.parametrize("engine", ["postgres"])
async def test_a_version_that_has_the_tables_to_itself_is_waited_for(
    settings: Settings, migrations: Path, metrics: DatabaseMetrics
) -> None:
    old = await open_database(
        settings.database.url, data_dir=settings.data_dir, service="notes", migrations=migrations, include_outbox=True
    )
    health = ServiceHealth()
    new = asyncio.create_task(await_tables(settings, "notes", migrations=migrations, metrics=metrics, health=health))
    await eventually(lambda: health.report().ready, 15, "it does not stand by")
    [(check, sentence)] = health.report().problems.items()
    assert (check, sentence.partition(": ")[0]) == ("database", "standing by")
    await old.close()
    database = await asyncio.wait_for(new, 15)
    assert health.report().problems == {}
    assert await database.read("SELECT * FROM outbox") == []
    await database.close()


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_a_file_that_another_process_has_is_not_waited_for(
    settings: Settings, migrations: Path, metrics: DatabaseMetrics
) -> None:
    health = ServiceHealth()
    database = await await_tables(settings, "notes", migrations=migrations, metrics=metrics, health=health)
    again = await_tables(settings, "notes", migrations=migrations, metrics=metrics, health=health)
    with pytest.raises(StorageInUse):
        await asyncio.wait_for(again, 5)
    assert (health.report().ready, health.report().problems) == (False, {})
    await database.close()
