"""Recordings in a folder and in a bucket, in plain and encrypted: told once they come through their public link."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.fileserver.service import Fileserver
from services.recorder.waveform import PEAKS
from simulator import Simulator, SimulatorOptions
from switchhook.events import EventType
from switchhook.links import RecordingName, sign_link
from switchhook.objects import Card, Gone, GoneReason, Objects, object_name, open_objects, read_card, write_card
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import Health
from switchhook.settings import FileserverSettings, Settings, StorageSettings
from switchhook.settings.link_key import link_key
from tests.acceptance.product import free_port
from tests.deadline import eventually
from tests.integration.recorder.office import (
    final_event,
    publish,
    recorder_running,
    settings_for,
    sink_running,
)
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.events import Event
    from tests.integration.recorder.office import Running, Sink

PATIENCE = 30.0


@pytest.fixture(params=["folder", "folder-sealed", "s3", "s3-sealed"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, s3_server: S3Server) -> StorageSettings:
    place, _, sealed = request.param.partition("-")
    settings = s3_server.storage(f"bucket-{os.urandom(6).hex()}") if place == "s3" else StorageSettings()
    if not sealed:
        return settings
    key = tmp_path / "key"
    key.write_text(os.urandom(32).hex())
    return settings.model_copy(update={"encryption_keys": {"2026": key}})


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[None]:
    health = Health().service("fileserver")
    running = asyncio.create_task(Fileserver.from_settings(settings, registry=CollectorRegistry()).run(health))
    try:
        await eventually(lambda: running.done() or health.report().ready, within=PATIENCE)
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def office(
    data_dir: Path, storage: StorageSettings, **section: Any
) -> AsyncIterator[tuple[Simulator, Sink, Settings]]:
    port = free_port()
    fileserver = FileserverSettings(listen=f"127.0.0.1:{port}", public_url=f"http://127.0.0.1:{port}")
    async with Simulator(SimulatorOptions(speed=20)) as pbx, sink_running() as sink:
        tables = {"storage": storage, "fileserver": fileserver}
        yield pbx, sink, settings_for(data_dir, pbx, sink, tables=tables, **{"verify_links": True, **section})


async def told(sink: Sink, pbx: Simulator, running: Running) -> Event:
    final = final_event(await pbx.play("incoming-direct"))
    await publish(running.recorder.address, [final])
    await eventually(lambda: sink.of(final), within=PATIENCE)
    [event] = sink.of(final)
    return event


async def fetched(settings: Settings, event: Event) -> tuple[int, bytes]:
    assert event.recording is not None
    path = event.recording.files[0].path
    expires_at = utc_now() + timedelta(minutes=1)
    query = sign_link(path, pbx="main", recipient="crm", expires_at=expires_at, key=link_key(settings))
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{settings.fileserver.public_url}{path}?{query}") as response,
    ):
        return response.status, await response.read()


def name_of(event: Event) -> RecordingName:
    return RecordingName(event.call.id, event.link, 1)


def counted(running: Running, verdict: str) -> float:
    return running.counted("switchhook_recording_link_checks_total", verdict=verdict)


async def test_a_recording_is_told_once_it_comes_through_its_link(data_dir: Path, storage: StorageSettings) -> None:
    async with (
        office(data_dir, storage) as (pbx, sink, settings),
        serving(settings),
        recorder_running(settings) as running,
    ):
        event = await told(sink, pbx, running)
        assert event.type is EventType.RECORDING_READY
        assert event.recording is not None
        [file] = event.recording.files
        status, content = await fetched(settings, event)
        assert (status, len(content), hashlib.sha256(content).hexdigest()) == (200, file.size, file.sha256)
        assert counted(running, "works") == 1
        assert running.problems == {}
        objects = open_objects(settings)
        card = await read_card(objects, "main", name_of(event))
        assert isinstance(card, Card)
        assert (card.sha256, card.size, card.number) == (file.sha256, file.size, event.call.outside_number)
        assert PEAKS * 0.95 < len(card.waveform) <= PEAKS
        assert {stored.name async for stored in objects.list()} == {
            object_name("main", name_of(event)),
            f"{object_name('main', name_of(event))}.json",
        }
        found = await objects.open(object_name("main", name_of(event)))
        assert found is not None
        assert found.is_sealed is bool(storage.encryption_keys)


async def test_the_link_of_what_was_purged_says_that_it_is_gone(data_dir: Path, storage: StorageSettings) -> None:
    async with (
        office(data_dir, storage) as (pbx, sink, settings),
        serving(settings),
        recorder_running(settings) as running,
    ):
        event = await told(sink, pbx, running)
        objects = open_objects(settings)
        await write_card(objects, "main", name_of(event), Gone(at=utc_now(), reason=GoneReason.QUOTA))
        await objects.delete(object_name("main", name_of(event)))
        status, content = await fetched(settings, event)
    assert (status, b"deleted" in content) == (410, True)


async def test_without_a_fileserver_health_says_so_and_nobody_waits(data_dir: Path) -> None:
    async with (
        office(data_dir, StorageSettings()) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        event = await told(sink, pbx, running)
        assert event.type is EventType.RECORDING_READY
        assert "cannot be reached from here" in running.problems["public link"]
        await told(sink, pbx, running)


async def test_a_link_that_does_not_work_holds_the_event_back_for_a_while(data_dir: Path) -> None:
    async with (
        office(data_dir, StorageSettings()) as (pbx, sink, settings),
        serving(settings.model_copy(update={"data_dir": data_dir / "elsewhere"})),
        recorder_running(settings) as running,
    ):
        final = final_event(await pbx.play("incoming-direct"))
        await publish(running.recorder.address, [final])
        await eventually(lambda: counted(running, "wrong") >= 2, within=PATIENCE)
        assert "403" in running.problems["public link"]
        assert sink.of(final) == []
        await eventually(lambda: sink.of(final), within=PATIENCE)
        assert sink.of(final)[0].type is EventType.RECORDING_READY


async def test_a_storage_that_is_away_makes_recordings_wait_and_then_they_come(data_dir: Path) -> None:
    server = S3Server()
    port = server.url.rpartition(":")[2]
    storage = server.storage("kept")
    async with (
        office(data_dir, storage, verify_links=False) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        kept = await told(sink, pbx, running)
        server.kill()
        status, answer = await running.ask("POST", "/recordings/purge", json={"call": kept.call.id})
        assert (status, answer["error"]) == (503, "storage")
        final = final_event(await pbx.play("incoming-direct"))
        await publish(running.recorder.address, [final])
        await eventually(lambda: "does not answer" in running.problems.get("storage", ""), within=PATIENCE)
        assert sink.of(final) == []
        again = S3Server(port=int(port))
        try:
            again.bucket("kept")
            await eventually(lambda: sink.of(final), within=PATIENCE)
            assert sink.of(final)[0].type is EventType.RECORDING_READY
            await eventually(lambda: "storage" not in running.problems, within=PATIENCE)
        finally:
            again.stop()


async def test_a_folder_that_cannot_be_written_is_a_problem_until_it_can(data_dir: Path) -> None:
    async with (
        office(data_dir, StorageSettings(), verify_links=False) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        obstacle = settings.storage_root / "main"
        obstacle.parent.mkdir(exist_ok=True)
        obstacle.write_text("no folder")
        final = final_event(await pbx.play("incoming-direct"))
        await publish(running.recorder.address, [final])
        await eventually(lambda: "cannot be stored" in running.problems.get("storage", ""), within=PATIENCE)
        assert sink.of(final) == []
        obstacle.unlink()
        await eventually(lambda: sink.of(final), within=PATIENCE)
        assert sink.of(final)[0].type is EventType.RECORDING_READY
        await eventually(lambda: running.problems == {}, within=PATIENCE)


async def test_a_key_that_is_taken_away_makes_recordings_unreadable(data_dir: Path, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text(os.urandom(32).hex())
    keys = {name: tmp_path / name for name in ("old", "new")}
    first = StorageSettings(encryption_keys={"old": keys["old"]})
    async with office(data_dir, first, verify_links=False) as (pbx, sink, settings):
        async with recorder_running(settings) as running:
            event = await told(sink, pbx, running)
        rotated = settings.model_copy(update={"storage": StorageSettings(encryption_keys=keys, encryption_key="new")})
        async with serving(rotated), recorder_running(rotated) as running:
            assert (await fetched(rotated, event))[0] == 200
            newer = await told(sink, pbx, running)
            assert (await fetched(rotated, newer))[0] == 200
        without = StorageSettings(encryption_keys={"new": keys["new"]})
        taken = settings.model_copy(update={"storage": without})
        async with serving(taken):
            assert (await fetched(taken, event))[0] == 500
            assert (await fetched(taken, newer))[0] == 200


def test_objects_are_opened_without_asking_the_storage(tmp_path: Path) -> None:
    assert isinstance(open_objects(Settings(data_dir=tmp_path / "none")), Objects)
    assert not (tmp_path / "none").exists()
