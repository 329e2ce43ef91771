"""Recordings from the PBX's folder: found by the kernel's word or by looking, whole ones only, under any name."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import struct
import time
from array import array
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.recorder.folder_source import FolderSource
from services.recorder.jobs import Reason
from services.recorder.source import NotFetched
from simulator import Simulator, SimulatorOptions
from switchhook.errors import PbxUnreachable
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
from tests.unit.recorder.calls import final as call_end
from tests.unit.recorder.calls import row as row_of_the_list

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from io import FileIO

    from services.recorder.rows import RecordingRow
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


def sound_file(seconds: float, *, rate: int = 8000, channels: int = 1, amplitude: int = 9000) -> bytes:
    """A tone of 440 Hz in 16-bit PCM."""
    samples = array("h")
    for time_of in range(round(seconds * rate)):
        samples.extend([round(amplitude * math.sin(2 * math.pi * 440 * time_of / rate))] * channels)
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    content = samples.tobytes()
    chunks = b"fmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def foreign_file() -> bytes:
    """A whole file in a codec that nobody knows."""
    sound = sound_file(3)
    return sound[:20] + b"\x34\x12" + sound[22:]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that never agrees with its file counts soon."""
    monkeypatch.setattr("services.recorder.sources._UNCHANGED", timedelta(seconds=0.5))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("sounds_written", "reason", "files"),
    [
        ([sound_file(3, amplitude=0)], "silent", 0),
        ([sound_file(0.2)], "too_short", 0),
        ([sound_file(0)], "header_only", 0),
        ([sound_file(3, rate=44_100, channels=2)], "", 1),
        ([sound_file(3, amplitude=0), sound_file(3)], "", 1),
        ([sound_file(3), foreign_file()], "", 1),
        ([foreign_file(), foreign_file(), sound_file(3)], "", 1),
        ([foreign_file(), sound_file(0.1)], "ffmpeg_failed", 0),
        ([sound_file(0.1), sound_file(3, amplitude=0)], "silent", 0),
    ],
)
async def test_what_cannot_be_heard_is_absent_with_the_reason(
    data_dir: Path, folder: Path, sounds_written: list[bytes], reason: str, files: int
) -> None:
    end = call_end()
    [link] = end.call.links
    (folder / link.user).mkdir()
    for place, content in enumerate(sounds_written):
        began = f"{link.started_at + timedelta(seconds=5 * place):%Y%m%d%H%M%S}"
        (folder / link.user / f"[x]_420777-{link.user}_{began}({end.call.numbers[0]}).wav").write_bytes(content)
    async with office(data_dir, folder) as (_, sink, running):
        await publish(running.recorder.address, [end])
        [event] = await told(sink, end)
        jobs = {path.name for path in (data_dir / "recordings").rglob("*.mp3")}
    assert event.recording is not None
    assert event.recording.reason == reason
    without = EventType.RECORDING_FAILED if reason == "ffmpeg_failed" else EventType.RECORDING_ABSENT
    assert event.type is (without if reason else EventType.RECORDING_READY)
    assert [file.index for file in event.recording.files] == list(range(1, files + 1))
    assert len(jobs) == files


@pytest.mark.parametrize("word", ["the kernel's", "nobody's"])
async def test_a_new_file_is_seen_with_and_without_the_kernels_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A mounted folder has nobody who tells of changes."""
    if word == "nobody's":
        monkeypatch.setattr("services.recorder.folder_source.watchfiles.awatch", _no_watch)
    else:
        monkeypatch.setattr("services.recorder.folder_source._SCAN_EVERY", 3600.0)
    (folder / "202").mkdir()
    source = FolderSource(folder, pbx="main", timezone="UTC", patience=timedelta(minutes=1))
    found: list[str] = []

    async def look() -> None:
        found.extend([row.file async for rows in source.listed_after(1) for row in rows])

    await look()  # through the whole folder
    stirred = asyncio.Event()
    running = asyncio.create_task(source.run(stirred.set))
    try:
        for number in range(100):
            if found:
                break
            # A watch that has just begun tells only of what comes later.
            (folder / "202" / f"[x]_420777-202_20260514120000({number}).wav").write_bytes(sound_file(0.1))
            await asyncio.sleep(0.2)
            if stirred.is_set() or word == "nobody's":
                stirred.clear()
                await look()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert found


async def test_what_grows_and_what_may_be_unseen_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link of two files must not be told with one, because the other one was not seen yet."""
    monkeypatch.setattr("services.recorder.folder_source._SCAN_EVERY", 3600.0)
    (folder / "202").mkdir()
    first, second = (folder / "202" / f"[x]_420777-202_2026051412000{n}(46).wav" for n in (0, 3))
    source = FolderSource(folder, pbx="main", timezone="UTC", patience=timedelta(minutes=1))

    async def look() -> list[str]:
        return [row.file async for rows in source.listed_after(1) for row in rows]

    first.write_bytes(sound_file(3))
    second.write_bytes(sound_file(3)[:20_000])
    assert await look() == []
    looked = time.monotonic()
    assert {row.file for row in source.ahead().growing} == {f"202/{first.name}", f"202/{second.name}"}
    assert await look() == [f"202/{first.name}"]
    [half] = source.ahead().growing
    assert (half.file, half.call_number, half.user) == (f"202/{second.name}", 46, "202")
    second.write_bytes(sound_file(3))
    assert [await look(), await look()] == [[], [f"202/{second.name}"]]
    assert source.ahead().growing == ()
    (folder / "202" / "[x]_420777-202_20260514120006(46).wav").write_bytes(sound_file(3))  # of which nobody tells
    after = time.monotonic()
    assert await look() == []
    assert source.ahead().unseen_for >= timedelta(seconds=after - looked)


async def looked(source: FolderSource, mark: int) -> list[RecordingRow]:
    """What two looks through the whole folder bring."""
    rows = []
    for _ in range(2):
        source._scan_due = 0.0
        rows += [row async for page in source.listed_after(mark) for row in page]
    return rows


async def test_a_file_of_tomorrow_hides_none_of_today(folder: Path) -> None:
    """A server's clock was wrong for a moment."""
    source = FolderSource(folder, pbx="main", timezone="UTC", patience=timedelta(minutes=1))
    tomorrow, today = folder / "tomorrow.wav", folder / "today.wav"
    tomorrow.write_bytes(sound_file(0.1))
    os.utime(tomorrow, (time.time() + 86_400, time.time() + 86_400))
    mark = await source.newest_mark()
    assert [row.file for row in await looked(source, 1)] == ["tomorrow.wav"]
    today.write_bytes(sound_file(0.1))
    [row] = await looked(source, mark)
    assert (row.file, row.place >= mark) == ("today.wav", True)


async def test_a_file_that_cannot_be_read_hides_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str) -> FileIO:
        if path == "locked.wav":
            raise PermissionError(13, "Permission denied")
        return really(path)

    source = FolderSource(folder, pbx="main", timezone="UTC", patience=timedelta())
    really = source._opened
    monkeypatch.setattr(source, "_opened", opened)  # root reads everything
    for name in ("locked.wav", "open.wav"):
        (folder / name).write_bytes(sound_file(0.1))
    rows = {row.file: row for row in await looked(source, 1)}
    assert set(rows) == {"locked.wav", "open.wav"}
    with pytest.raises(PbxUnreachable, match="Permission denied"):
        await source.download(rows["locked.wav"], folder / "copy")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_row_that_came_over_rest_has_no_file_here(folder: Path, tmp_path: Path) -> None:
    source = FolderSource(folder, pbx="main", timezone="UTC", patience=timedelta())
    before = descriptors()
    fetched = await source.download(row_of_the_list(7), tmp_path / "copy")
    assert isinstance(fetched, NotFetched)
    assert fetched.reason is Reason.FILE_NOT_FOUND
    assert descriptors() == before


def _no_watch(*_: object, **__: object) -> AsyncIterator[object]:
    raise OSError("this folder cannot be watched")


async def test_a_broken_file_is_known_after_a_restart_that_comes_too_late(data_dir: Path, folder: Path) -> None:
    """Once its time is over it is looked for a last time, and must not be called absent then."""
    end = call_end()
    [link] = end.call.links
    (folder / link.user).mkdir()
    began = f"{link.started_at:%Y%m%d%H%M%S}"
    file = folder / link.user / f"[x]_420777-{link.user}_{began}({end.call.numbers[0]}).wav"
    wait = timedelta(seconds=0.3)
    async with office(data_dir, folder) as (_, sink, running):
        await publish(running.recorder.address, [end])
    await asyncio.sleep(wait.total_seconds())  # the recorder is away for longer than it would have waited
    file.write_bytes(sound_file(3)[:20_000])
    os.utime(file, (time.time() - 60, time.time() - 60))
    async with office(data_dir, folder, wait_for_recording=wait) as (_, sink, _running):
        [event] = await told(sink, end)
    assert event.recording is not None
    assert (event.type, event.recording.reason) == (EventType.RECORDING_FAILED, "truncated")


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
