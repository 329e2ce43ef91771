"""The services' own schemas: the same tables and columns on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.registry import ServiceName, schema_of
from switchhook.storage import migrate_database, open_database

if TYPE_CHECKING:
    from pathlib import Path


_SQLITE = """
SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite%'"""
_POSTGRES = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
_SERVICES = [name for name in ServiceName if schema_of(name) is not None]


async def columns(url: str, data_dir: Path, name: ServiceName, sql: str) -> set[tuple[str, str]]:
    schema = schema_of(name)
    assert schema is not None
    database = await open_database(
        url, data_dir=data_dir, service=name, migrations=schema.migrations, include_outbox=schema.has_outbox
    )
    try:
        return {(table, column) for table, column in await database.read(sql)}
    finally:
        await database.close()


@pytest.mark.parametrize("name", _SERVICES)
@pytest.mark.parametrize("engine", ["postgres"])
async def test_both_engines_end_with_the_same_tables(name: ServiceName, database_url: str, data_dir: Path) -> None:
    ours = await columns("sqlite:", data_dir, name, _SQLITE)
    theirs = await columns(database_url, data_dir, name, _POSTGRES)
    assert ours
    assert theirs - ours == {("owners", "number"), ("owners", "epoch")}
    assert ours - theirs == set()


async def test_what_was_applied_is_named_once(database_url: str, data_dir: Path) -> None:
    schema = schema_of(ServiceName.MONITOR)
    assert schema is not None
    applied = [
        await migrate_database(
            database_url, data_dir=data_dir, service="monitor", migrations=schema.migrations, include_outbox=True
        )
        for _ in range(2)
    ]
    assert applied == [
        ["outbox/0000_outbox", "monitor/0001_calls", "monitor/0002_completions", "monitor/0003_owners"],
        [],
    ]


@pytest.mark.parametrize("engine", ["postgres"])
async def test_all_services_live_in_one_database(database_url: str, data_dir: Path) -> None:
    for name in _SERVICES:
        assert await columns(database_url, data_dir, name, _POSTGRES)
