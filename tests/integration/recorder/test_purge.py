"""The catalog with its files: what expires, what stays, and what a restart finds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.recorder.catalog import Catalog, settling
from services.recorder.jobs import Absent, Ready, pending_call
from services.recorder.metrics import RecorderMetrics
from services.recorder.retention import Retention
from services.recorder.settlement import Settlement
from services.recorder.store import Store
from switchhook.events import RecordingFile
from switchhook.links import RecordingName, recording_path
from switchhook.rpc import Received, encode
from switchhook.storage import Outbox, open_database
from tests.unit.recorder.calls import final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from switchhook.events import Event
    from switchhook.storage import Database

DAYS = timedelta(days=90)


@dataclass
class Archive:
    """A catalog with its files, and a clock that the test sets."""

    root: Path
    database: Database
    now: datetime

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.database)
        self.metrics = RecorderMetrics(CollectorRegistry())
        outbox = Outbox(self.database, "recordings", ["nowhere:1"])
        self.settlement = Settlement(self.database, self.catalog, outbox, retention=DAYS, clock=lambda: self.now)
        self.retention = Retention(self.catalog, Store(self.root), self.metrics, retention=DAYS, clock=lambda: self.now)

    async def record(self, end: Event) -> Path:
        """A call with one MP3."""
        [call] = await self.catalog.accept([Received(end, encode(end))], at=self.now)
        self.settlement.owe(call)
        name = RecordingName(end.call.id, 1, 1)
        path = self.root / "main" / str(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
        file = RecordingFile(
            index=1,
            path=recording_path(end.call.id, 1, 1),
            duration=timedelta(seconds=1),
            size=5,
            sha256="",
            channels=1,
        )
        await self.settlement.settle(call.links[0], Ready((file,)))
        return path

    async def count(self, table: str) -> int:
        return int((await self.database.read(f"SELECT count(*) FROM {table}"))[0][0])


@asynccontextmanager
async def archive(data_dir: Path, database_url: str) -> AsyncIterator[Archive]:
    database = await open_database(
        database_url,
        data_dir=data_dir,
        service="recorder",
        migrations=files("services.recorder") / "migrations",
        include_outbox=True,
    )
    try:
        yield Archive(data_dir / "recordings", database, final().occurred_at)
    finally:
        await database.close()


async def test_a_file_is_deleted_when_its_retention_is_over_and_not_before(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        old, new = await kept.record(final(number=1)), await kept.record(final(number=2, links=1))
        kept.now += DAYS - timedelta(seconds=1)
        assert await kept.retention.purge() == 0
        assert old.exists()
        kept.now += timedelta(seconds=1)
        assert await kept.retention.purge() == 2
        assert not old.exists()
        assert not new.exists()
        assert [await kept.count(table) for table in ("calls", "jobs", "files")] == [0, 0, 0]


async def test_a_file_that_is_gone_already_is_no_error(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        (await kept.record(final())).unlink()
        kept.now += DAYS
        assert await kept.retention.purge() == 1


async def test_what_is_owed_is_kept_however_old_it_is(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final()
        await kept.catalog.accept([Received(end, encode(end))], at=kept.now)
        kept.now += 2 * DAYS
        await kept.retention.purge()
        assert [call.call_id for call in await kept.catalog.unfinished()] == [end.call.id]


async def test_an_outcome_that_waits_for_a_newer_link_survives_a_restart(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final(links=2)
        [call] = await kept.catalog.accept([Received(end, encode(end))], at=kept.now)
        newest, oldest = call.links
        await kept.database.write(settling(oldest.key, Absent(), at=kept.now, expires_at=kept.now + DAYS))
        [again] = await kept.catalog.unfinished()
        assert (again.outcomes, again.told) == ({1: Absent()}, 0)
        kept.settlement.owe(again)
        await kept.settlement.settle(newest, Absent())
        rows = await kept.database.read("SELECT event_id FROM outbox ORDER BY position")
        assert [row[0] for row in rows] == [f"main-{end.call.id}-10", f"main-{end.call.id}-11"]
        assert await kept.catalog.unfinished() == []


async def test_an_outcome_is_settled_once(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final()
        call = pending_call(end, accepted_at=kept.now)
        await kept.record(end)
        await kept.settlement.settle(call.links[0], Absent())
        assert await kept.count("outbox") == 1
