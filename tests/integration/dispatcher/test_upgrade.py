"""An upgrade while calls go on: replicas of the version before run on the next one's tables, beside its replicas.

The next version is this one with one migration more, of the kind that is allowed: it adds and takes nothing away.
"""

from __future__ import annotations

import asyncio
import shutil
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import SchemaMismatch
from switchhook.storage import migrate_database
from tests.deadline import eventually
from tests.integration.dispatcher.test_replicas import demand_order, events_of, replicas, surely_published
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("engine", ["postgres"])

ADDS = """
ALTER TABLE deliveries ADD COLUMN next_version_note TEXT;
CREATE TABLE next_version (id INTEGER PRIMARY KEY, told_at TEXT NOT NULL);
CREATE INDEX next_version_told_at ON next_version (told_at);
"""
TAKES_AWAY = "ALTER TABLE deliveries DROP COLUMN next_version_note;\n"


def next_migrations(folder: Path, **more: str) -> Path:
    """This version's migrations, and further ones."""
    target = folder / "migrations"
    with as_file(files("services.dispatcher") / "migrations") as ours:
        shutil.copytree(ours, target)
    last = max(int(path.name[:4]) for path in target.glob("*.sql"))
    for number, (name, sql) in enumerate(more.items(), start=last + 1):
        (target / f"{number:04}_{name}.sql").write_text(sql, encoding="utf-8")
    return target


async def migrate(database: str, folder: Path, migrations: Path) -> list[str]:
    """As the job before an upgrade does, while everything runs."""
    return await migrate_database(database, data_dir=folder, service="dispatcher", migrations=migrations)


async def test_the_version_before_goes_on_and_starts_again(tmp_path: Path, database_url: str) -> None:
    events = events_of(calls=20, length=6)
    third = len(events) // 3
    async with WebhookReceiver() as receiver:
        old, other = replicas(tmp_path, 2, url=receiver.url, database=database_url)
        async with old:
            await surely_published(old.address, events[:third])
            applied = await migrate(database_url, tmp_path, next_migrations(tmp_path, adds=ADDS))
            assert [name.partition("_")[2] for name in applied] == ["adds"]
            await surely_published(old.address, events[third : 2 * third])
            async with other:  # a replica that dies in the middle of the upgrade is started again as it was
                await surely_published(other.address, events[2 * third :])
                await eventually(lambda: {one.id for one in receiver.webhooks} == {one.id for one in events}, within=30)
        demand_order(receiver.webhooks, events)


async def test_a_version_whose_columns_were_taken_away_does_not_start(tmp_path: Path, database_url: str) -> None:
    with_both = next_migrations(tmp_path, adds=ADDS, contract_note=TAKES_AWAY)
    await migrate(database_url, tmp_path, with_both)
    with (
        pytest.raises(SchemaMismatch, match="took away what this version needs"),
        as_file(files("services.dispatcher") / "migrations") as ours,
    ):
        await migrate(database_url, tmp_path, ours)


async def test_two_jobs_at_once_migrate_once(tmp_path: Path, database_url: str) -> None:
    folder = next_migrations(tmp_path, adds=ADDS)
    both = await asyncio.gather(migrate(database_url, tmp_path, folder), migrate(database_url, tmp_path, folder))
    assert sorted(map(bool, both)) == [False, True]
