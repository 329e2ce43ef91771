"""Recordings from the PBX's folder: found by the kernel's word or by looking, whole ones only, under any name."""

from __future__ import annotations

import shutil
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Simulator, SimulatorOptions
from switchhook.events import EventType
from tests.deadline import eventually
from tests.integration.recorder.office import (
    Running,
    Sink,
    final_event,
    publish,
    recorder_running,
    settings_for,
    sink_running,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.events import Event

PATIENCE = 30.0


@asynccontextmanager
async def office(data_dir: Path, folder: Path, **section: Any) -> AsyncIterator[tuple[Simulator, Sink, Running]]:
    """A PBX that writes into `folder`, unless that is moved away; the recorder reads `folder`."""
    options = SimulatorOptions(speed=20, recordings_dir=folder, codec="pcm", timezone="UTC")
    async with Simulator(options) as pbx, sink_running() as sink:
        settings = settings_for(data_dir, pbx, sink, source="folder", folder=folder, **section)
        async with recorder_running(settings) as running:
            yield pbx, sink, running


def sounds(folder: Path) -> set[Path]:
    """The files that the PBX wrote."""
    return set(folder.rglob("*.wav"))


async def recorded(pbx: Simulator, folder: Path) -> tuple[Event, Path]:
    """A call that is over, and its file."""
    before = sounds(folder)
    final = final_event(await pbx.play("incoming-direct"))
    await eventually(lambda: sounds(folder) - before, within=PATIENCE)
    [new] = sounds(folder) - before
    return final, new


async def ended(pbx: Simulator, running: Running, name: str = "incoming-direct", **cast: Any) -> Event:
    final = final_event(await pbx.play(name, **cast))
    await publish(running.recorder.address, [final])
    return final


async def told(sink: Sink, final: Event) -> list[Event]:
    await eventually(lambda: len(sink.of(final)) == len(final.call.links), within=PATIENCE)
    return sink.of(final)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The PBX's."""
    path = tmp_path / "pbx"
    path.mkdir()
    return path


@pytest.mark.parametrize("scenario", ["incoming-direct", "incoming-blind-transfer", "outgoing-answered"])
async def test_every_link_is_found(data_dir: Path, folder: Path, scenario: str) -> None:
    async with office(data_dir, folder) as (pbx, sink, running):
        final = await ended(pbx, running, scenario)
        events = await told(sink, final)
    assert [event.type for event in events] == [EventType.RECORDING_READY] * len(final.call.links)
    assert [event.link for event in events] == sorted((link.number for link in final.call.links), reverse=True)


async def test_a_file_that_is_still_written_is_waited_for(data_dir: Path, folder: Path) -> None:
    async with office(data_dir, folder) as (pbx, sink, running):
        final = await ended(pbx, running)
        [event] = await told(sink, final)
        [whole] = sounds(folder)
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    again = data_dir.parent / "again"
    again.mkdir()
    async with office(again, folder) as (_, sink, running):
        await publish(running.recorder.address, [final])
        await eventually(lambda: running.counted("switchhook_recorder_polls_total") > 12, within=PATIENCE)
        assert sink.of(final) == []
        with whole.open("ab") as file:
            file.write(content[len(content) // 2 :])
        [second] = await told(sink, final)
    assert event.recording is not None
    assert second.recording is not None
    assert second.recording.files[0].duration == event.recording.files[0].duration


@pytest.mark.parametrize(
    "renamed",
    [
        "[Doe, Jane + Sons]_{a}-{b}_{time}({number}).wav",
        "[]_+{a}-{b}_{time}({number}).WAV",
        "{a}-{b}_{time}.wav",
        "[no number]_{a}-{b}_{time}.wav",
    ],
)
async def test_odd_names_are_found_too(data_dir: Path, tmp_path: Path, folder: Path, renamed: str) -> None:
    source = tmp_path / "source"
    async with Simulator(SimulatorOptions(speed=20, recordings_dir=source, codec="pcm", timezone="UTC")) as pbx:
        final, file = await recorded(pbx, source)
    [link] = final.call.links
    name = renamed.format(
        a=final.call.outside_number,
        b=link.user,
        time=f"{link.started_at:%Y%m%d%H%M%S}",
        number=final.call.numbers[0],
    )
    async with office(data_dir, folder) as (_, sink, running):
        (folder / link.user).mkdir()
        shutil.copy(file, folder / link.user / name)
        await publish(running.recorder.address, [final])
        [event] = await told(sink, final)
    assert event.type is EventType.RECORDING_READY


async def test_a_folder_that_is_not_mounted_makes_jobs_wait(data_dir: Path, tmp_path: Path, folder: Path) -> None:
    away = tmp_path / "away"
    async with office(data_dir, folder, wait_for_recording=timedelta(seconds=1)) as (pbx, sink, running):
        first = await ended(pbx, running)
        await told(sink, first)
        final, _ = await recorded(pbx, folder)
        shutil.move(folder, away)
        await publish(running.recorder.address, [final])
        await eventually(lambda: "mounted" in running.problems.get("pbx main recordings", ""), within=PATIENCE)
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 1.5, within=PATIENCE)
        assert sink.of(final) == []
        shutil.move(away, folder)
        [event] = await told(sink, final)
        assert event.type is EventType.RECORDING_READY


async def test_nothing_in_the_folder_is_changed_and_no_link_is_followed(
    data_dir: Path, tmp_path: Path, folder: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    async with office(data_dir, folder) as (pbx, sink, running):
        await told(sink, await ended(pbx, running))
        before = {path: path.stat().st_mtime_ns for path in sounds(folder)}
        assert before
        final, new = await recorded(pbx, folder)
        new.rename(outside / "secret.wav")
        new.symlink_to(outside / "secret.wav")
        decoy = await ended(pbx, running)
        await publish(running.recorder.address, [final])
        await told(sink, decoy)
        assert sink.of(final) == []
        assert {path: path.stat().st_mtime_ns for path in before} == before
