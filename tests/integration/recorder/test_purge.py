"""The catalog with its files: what expires, what stays, and what a restart finds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import time, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from services.recorder.catalog import Catalog, keeping_strays, settling
from services.recorder.fence import Fence
from services.recorder.filing import Filing
from services.recorder.jobs import Absent, Failed, Ready, Reason, pending_call
from services.recorder.kept_files import REMEMBERED, KeptFiles
from services.recorder.metrics import RecorderMetrics
from services.recorder.owed_calls import OwedCalls
from services.recorder.recording_log import CallName, RecordingLog
from services.recorder.retention import Limits, Retention
from services.recorder.retention_policy import RetentionPolicy
from services.recorder.settlement import Settlement
from services.recorder.store import Store
from services.recorder.trouble import Trouble
from switchhook.events import RecordingFile
from switchhook.links import RecordingName, recording_path
from switchhook.objects import Gone, GoneReason, Keyring, Objects, object_name, read_card
from switchhook.objects.bucket import open_bucket
from switchhook.rpc import Received, encode
from switchhook.runtime.health import ServiceHealth
from switchhook.settings import StorageSettings
from switchhook.storage import Outbox, open_database
from tests.deadline import eventually
from tests.unit.recorder.calls import final, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from switchhook.events import CallId, Event
    from switchhook.storage import Database

DAYS = timedelta(days=90)


@dataclass
class Archive:
    """A catalog with its files, and a clock that the test sets."""

    root: Path
    database: Database
    now: datetime

    def __post_init__(self) -> None:
        self.kept = KeptFiles(self.database)
        self.catalog = Catalog(self.database)
        self.owed = OwedCalls(self.database, self.kept)
        self.metrics = RecorderMetrics(CollectorRegistry())
        self.objects = Objects(open_bucket(StorageSettings(), root=self.root), Keyring())
        self.settlement = Settlement(
            self.database,
            self.catalog,
            self.kept,
            outbox=Outbox(self.database, "recordings", ["nowhere:1"]),
            policy=RetentionPolicy(default=DAYS),
            clock=lambda: self.now,
        )
        self.retention = self.limited()

    def limited(
        self, *, quota: int | None = None, store: Store | None = None, health: ServiceHealth | None = None
    ) -> Retention:
        """A retention with this quota."""
        health = health or ServiceHealth()
        return Retention(
            self.catalog,
            self.kept,
            store or Store(self.objects, self.kept),
            metrics=self.metrics,
            limits=Limits(purge_at=time(3), quota=quota, remember_calls=DAYS),
            trouble=Trouble("retention", health=health, clock=lambda: self.now),
            clock=lambda: self.now,
        )

    async def record(self, end: Event) -> Path:
        """A call with one MP3."""
        [call] = await self.catalog.accept([Received(end, encode(end))], at=self.now)
        self.settlement.owe(call)
        name = RecordingName(end.call.id, 1, 1)
        path = self.root / "main" / str(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
        await self.settlement.settle(call.links[0], Ready((a_file(end.call.id),)))
        return path

    async def count(self, table: str) -> int:
        return int((await self.database.read(f"SELECT count(*) FROM {table}"))[0][0])


def a_file(call_id: CallId) -> RecordingFile:
    return RecordingFile(
        index=1,
        path=recording_path(call_id, 1, 1),
        duration=timedelta(seconds=1),
        size=5,
        sha256="",
        channels=1,
    )


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
        assert [await kept.count(table) for table in ("calls", "jobs", "files")] == [0, 0, 2]
        name = RecordingName(final(number=1).call.id, 1, 1)
        assert await read_card(kept.objects, "main", name) == Gone(at=kept.now, reason=GoneReason.EXPIRED)
        kept.now += REMEMBERED
        await kept.retention.purge()
        assert await kept.count("files") == 0
        assert [stored.name async for stored in kept.objects.list()] == []


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
        assert [call.call_id for call in await kept.owed.looked_for("main")] == [end.call.id]


async def test_an_outcome_that_waits_for_a_newer_link_survives_a_restart(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final(links=2)
        [call] = await kept.catalog.accept([Received(end, encode(end))], at=kept.now)
        newest, oldest = call.links
        await kept.database.write(settling(oldest.key, Absent(), at=kept.now, expires_at=kept.now + DAYS))
        [again] = await kept.owed.looked_for("main")
        assert (again.outcomes, again.told) == ({1: Absent()}, 0)
        kept.settlement.owe(again)
        await kept.settlement.settle(newest, Absent())
        rows = await kept.database.read("SELECT event_id FROM outbox ORDER BY position")
        assert [row[0] for row in rows] == [f"main-{end.call.id}-10", f"main-{end.call.id}-11"]
        assert await kept.owed.looked_for("main") == []


async def test_an_outcome_is_settled_once(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final()
        call = pending_call(end, accepted_at=kept.now)
        await kept.record(end)
        await kept.settlement.settle(call.links[0], Absent())
        assert await kept.count("outbox") == 1


async def test_the_quota_deletes_the_oldest_first_and_spares_what_is_held(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        paths = []
        for number in range(1, 6):
            paths.append(await kept.record(final(number=number)))
            kept.now += timedelta(minutes=1)
        log = RecordingLog(kept.database)
        await log.hold(CallName("main", final(number=1).call.id), at=kept.now)
        # Each file has 5 bytes: 25 in all, of which 12 may stay.
        assert await kept.limited(quota=12).enforce_quota() == 3
        assert [path.exists() for path in paths] == [True, False, False, False, True]
        name = RecordingName(final(number=2).call.id, 1, 1)
        assert await read_card(kept.objects, "main", name) == Gone(at=kept.now, reason=GoneReason.QUOTA)
        assert await kept.limited(quota=12).enforce_quota() == 0
        # What was kept since counts too.
        await kept.record(final(number=7))
        assert await kept.limited(quota=12).enforce_quota() == 1


async def test_what_is_held_outlives_its_retention(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        path, other = await kept.record(final(number=1)), await kept.record(final(number=2))
        log, call = RecordingLog(kept.database), CallName("main", final(number=1).call.id)
        assert await log.hold(call, at=kept.now) == 1
        assert await log.hold(call, at=kept.now) == 1
        kept.now += DAYS
        assert await log.expired(kept.now) == (1, 5, 1)
        assert await kept.retention.purge() == 1
        assert (path.exists(), other.exists()) == (True, False)
        assert await log.release(call) == 1
        assert await kept.retention.purge() == 1
        assert not path.exists()


async def test_who_asks_twice_at_once_does_not_delete_twice_as_much(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        paths = []
        for number in range(1, 7):
            paths.append(await kept.record(final(number=number)))
            kept.now += timedelta(minutes=1)
        limited = kept.limited(quota=22)  # of 30 bytes
        assert sum(await asyncio.gather(limited.enforce_quota(), limited.enforce_quota())) == 2
        assert [path.exists() for path in paths] == [False, False, True, True, True, True]


@pytest.mark.parametrize("way", ["expired", "quota", "chosen"])
async def test_what_is_held_while_others_are_deleted_stays(data_dir: Path, database_url: str, way: str) -> None:
    class Slow(Store):
        """The operator's order comes after the first file."""

        async def bury(self, pbx: str, name: RecordingName, gone: Gone) -> None:
            await super().bury(pbx, name, gone)
            await RecordingLog(kept.database).hold(CallName("main", final(number=2).call.id), at=kept.now)

    async with archive(data_dir, database_url) as kept:
        paths = []
        for number in range(1, 4):
            paths.append(await kept.record(final(number=number)))
            kept.now += timedelta(minutes=1)
        retention = kept.limited(quota=7, store=Slow(kept.objects, kept.kept))
        if way == "expired":
            kept.now += DAYS
            assert await retention.purge() == 2
        elif way == "quota":
            assert await retention.enforce_quota() == 2
        else:
            files = await kept.kept.oldest(limit=9)
            assert [file.name.call_id for file in await retention.purge_these(files)] == [
                final(number=number).call.id for number in (1, 3)
            ]
        assert [path.exists() for path in paths] == [False, True, False]


async def test_what_is_deleted_already_is_not_deleted_for_another_reason(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        await kept.record(final())
        files = await kept.kept.oldest(limit=9)
        kept.now += DAYS
        assert await kept.retention.purge() == 1
        assert await kept.retention.purge_these(files) == []
        gone = await read_card(kept.objects, "main", RecordingName(final().call.id, 1, 1))
        assert gone == Gone(at=kept.now, reason=GoneReason.EXPIRED)


async def test_what_was_told_is_not_deleted_for_a_recorder_that_froze_before_it_stored_the_same(
    data_dir: Path, database_url: str
) -> None:
    async with archive(data_dir, database_url) as kept:
        path = await kept.record(final())  # by another one, meanwhile
        await kept.kept.begin_upload("main", RecordingName(final().call.id, 1, 1))
        await kept.retention.clear_leftovers()
        assert path.exists()


async def test_a_storage_that_cannot_be_looked_through_is_said_and_ends_nothing(
    data_dir: Path, database_url: str
) -> None:
    async with archive(data_dir, database_url) as kept:
        away = Objects(open_bucket(StorageSettings(), root=data_dir / ("x" * 300)), Keyring())
        health = ServiceHealth()
        task = asyncio.create_task(kept.limited(store=Store(away, kept.kept), health=health).run())
        try:
            await eventually(lambda: task.done() or "retention" in health.report().problems)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_purge_that_was_interrupted_goes_on(data_dir: Path, database_url: str) -> None:
    class Interrupted(Store):
        """Fails at the third file, after it was deleted and before that is written down."""

        count = 0

        async def bury(self, pbx: str, name: RecordingName, gone: Gone) -> None:
            await super().bury(pbx, name, gone)
            self.count += 1
            if self.count == 3:
                raise OSError(5, "Input/output error")

    async with archive(data_dir, database_url) as kept:
        paths = [await kept.record(final(number=number)) for number in range(1, 6)]
        kept.now += DAYS
        broken = kept.limited(store=Interrupted(kept.objects, kept.kept))
        with pytest.raises(OSError, match="Input/output"):
            await broken.purge()
        assert sum(path.exists() for path in paths) == 2
        assert await kept.kept.last_purge() is None
        assert await kept.retention.purge() == 5
        assert not any(path.exists() for path in paths)
        assert await kept.kept.last_purge() == kept.now


async def test_a_purge_that_was_missed_is_made_up_for_at_the_start(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        path = await kept.record(final())
        await kept.kept.purged(at=kept.now)
        kept.now += DAYS  # nobody ran meanwhile
        task = asyncio.create_task(kept.retention.run())
        try:
            await eventually(lambda: not path.exists())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_was_stored_for_a_link_that_failed_is_deleted(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        end = final()
        [call] = await kept.catalog.accept([Received(end, encode(end))], at=kept.now)
        kept.settlement.owe(call)
        name = RecordingName(end.call.id, 1, 1)
        await kept.kept.begin_upload("main", name)
        await kept.objects.put(object_name("main", name), b"sound")
        await kept.retention.clear_leftovers()
        assert [stored.name async for stored in kept.objects.list()] == [object_name("main", name)]  # it may be needed
        await kept.settlement.settle(call.links[0], Failed(Reason.FILE_NOT_FOUND))
        await kept.retention.clear_leftovers()
        assert [stored.name async for stored in kept.objects.list()] == []
        assert await kept.count("uploads") == 0


async def test_files_are_kept_as_long_as_the_nearest_rule_says(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        kept.settlement._policy = RetentionPolicy(default=DAYS, by_did={"Hot line": timedelta(days=1)})
        end = final()
        hot = replace(end, call=replace(end.call, did="Hot line"))
        path, usual = await kept.record(hot), await kept.record(final(number=2))
        kept.now += timedelta(days=1)
        assert await kept.retention.purge() == 1
        assert (path.exists(), usual.exists()) == (False, True)


async def test_what_was_filed_by_itself_expires_when_its_call_comes(data_dir: Path, database_url: str) -> None:
    async with archive(data_dir, database_url) as kept:
        listed, filed = row(7), list[bool]()
        filing = Filing("main", kept.catalog, timezone="UTC", fence=Fence(), filed=lambda: filed.append(True))
        await kept.catalog.write(keeping_strays("main", [listed], [], at=kept.now))
        assert [stray for stray, _ in await kept.catalog.strays("main")] == [listed]
        await filing.file(listed, kept.now)
        await filing.file(listed, kept.now)  # it is taken now
        assert await kept.catalog.strays("main") == []
        assert len(filed) == 1
        [(call_id,)] = await kept.database.read("SELECT call_id FROM calls")
        alone = await kept.owed.one("main", call_id)
        assert alone is not None
        assert await kept.catalog.row_of(alone) == listed
        alone.is_announced = False
        kept.settlement.owe(alone)
        await kept.settlement.settle(alone.links[0], Ready((a_file(call_id),)), [listed])
        assert await kept.count("outbox") == 0  # only kept
        assert (await RecordingLog(kept.database).expired(kept.now))[0] == 0

        end = final()
        [call] = await kept.catalog.accept([Received(end, encode(end))], at=kept.now)
        kept.settlement.owe(call)
        await kept.settlement.settle(call.links[0], Ready((a_file(end.call.id),)), [listed])
        assert await kept.catalog.taken("main", [listed, row(8)]) == [listed]
        assert (await RecordingLog(kept.database).expired(kept.now))[0] == 1
        assert await kept.count("outbox") == 1
