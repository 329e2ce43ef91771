"""Real processes: lengths of real MP3s, limits, priorities, and nothing that is left running."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mutagen
import pytest

from services.recorder.ffmpeg import LEVELS, Converted, Failure, NotConverted, transcode_argv
from services.recorder.riff import HEAD_SIZE, Wav, inspect
from services.recorder.transcoder import Transcoder, find_ffmpeg
from services.recorder.waveform import PEAKS, waveform
from simulator.sound import Codec, wav
from switchhook.errors import ConfigError
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = timedelta(seconds=30)


def program(folder: Path, script: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(path: Path, count: int) -> Callable[[], bool]:
    return lambda: path.exists() and len(path.read_text().split()) == count


def shape(target: Path) -> bytes:
    """The waveform of an MP3 that was made."""
    return waveform(target.with_name(f"{target.name}{LEVELS}").read_text().splitlines())


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("seconds", [0.4, 7.337, 61.013])
async def test_the_mp3_is_as_long_as_the_source_even_for_a_plain_player(
    tmp_path: Path, codec: Codec, seconds: float
) -> None:
    """mutagen does not read the gapless header that ffmpeg writes, as many players do not."""
    content = wav(codec, melody=1, seconds=seconds)
    source, target = tmp_path / "a.wav", tmp_path / "a.mp3"
    source.write_bytes(content)
    judged = inspect(content[:HEAD_SIZE], len(content))
    assert isinstance(judged, Wav)
    argv = transcode_argv(find_ffmpeg(None), str(source), str(target), wav=judged, bitrate=32)
    converted = await Transcoder(concurrency=1).run(argv, limit=LIMIT)
    assert isinstance(converted, Converted)
    assert converted.loudest is not None
    assert -20 < converted.loudest < 0
    sound: Any = mutagen.File(target)
    assert abs(sound.info.length - judged.duration.total_seconds()) < 0.1
    assert sound.info.channels == judged.channels
    peaks = shape(target)
    assert PEAKS * 0.95 < len(peaks) <= PEAKS
    assert min(peaks) > 0.4 * max(peaks)  # the simulator's melodies never stop


async def test_the_waveform_shows_where_it_is_quiet(tmp_path: Path) -> None:
    loud, quiet = wav(Codec.PCM, melody=1, seconds=2), bytes(32_000)
    source, target = tmp_path / "it's: a, b.wav", tmp_path / "it's: a, b.mp3"
    source.write_bytes(loud[:16_044] + quiet + loud[16_044 + len(quiet) :])
    judged = inspect(source.read_bytes(), source.stat().st_size)
    assert isinstance(judged, Wav)
    argv = transcode_argv(find_ffmpeg(None), str(source), str(target), wav=judged, bitrate=32)
    assert isinstance(await Transcoder(concurrency=1).run(argv, limit=LIMIT), Converted)
    peaks = shape(target)
    assert len(peaks) == PEAKS
    assert max(peaks[101:]) == 0
    assert min(peaks[:99]) > 0


async def test_what_ffmpeg_cannot_read_is_the_fault_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF" + os.urandom(5000))
    sound = inspect(wav(Codec.PCM, melody=0, seconds=1), 16_044)
    assert isinstance(sound, Wav)
    argv = transcode_argv(find_ffmpeg(None), str(tmp_path / "a.wav"), str(tmp_path / "a.mp3"), wav=sound, bitrate=32)
    outcome = await Transcoder(concurrency=1).run(argv, limit=LIMIT)
    assert isinstance(outcome, NotConverted)
    assert outcome.failure is Failure.BAD_SOURCE


async def test_what_hangs_is_killed_with_all_its_children(tmp_path: Path) -> None:
    script = program(tmp_path, f"sleep 600 & echo $! $$ > {tmp_path}/pids; wait")
    began = time.monotonic()
    outcome = await Transcoder(concurrency=1).run([script], limit=timedelta(seconds=1))
    assert isinstance(outcome, NotConverted)
    assert outcome.failure is Failure.TIMED_OUT
    assert time.monotonic() - began < 10
    left = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await eventually(lambda: not any(map(is_alive, left)))


async def test_a_stop_ends_what_is_running(tmp_path: Path) -> None:
    script = program(tmp_path, f"sleep 600 & echo $! $$ > {tmp_path}/pids; wait")
    task = asyncio.create_task(Transcoder(concurrency=1).run([script], limit=LIMIT))
    await eventually(pids(tmp_path / "pids", 2))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await eventually(lambda: not any(map(is_alive, left)))


async def test_it_runs_with_low_priority(tmp_path: Path) -> None:
    script = program(tmp_path, f"sleep 0.3; nice > {tmp_path}/nice")
    assert await Transcoder(concurrency=1).run([script], limit=LIMIT) == Converted()
    assert int((tmp_path / "nice").read_text()) >= 10


async def test_no_more_run_at_once_than_allowed(tmp_path: Path) -> None:
    script = program(tmp_path, f"echo begin >> {tmp_path}/log; sleep 0.1; echo end >> {tmp_path}/log")
    transcoder = Transcoder(concurrency=2)
    await asyncio.gather(*(transcoder.run([script], limit=LIMIT) for _ in range(6)))
    running = highest = 0
    for line in (tmp_path / "log").read_text().split():
        running += 1 if line == "begin" else -1
        highest = max(highest, running)
    assert highest == 2


async def test_much_that_is_said_does_not_block_it(tmp_path: Path) -> None:
    script = program(tmp_path, "yes complaint | head -c 3000000 >&2; echo last >&2; exit 1")
    outcome = await Transcoder(concurrency=1).run([script], limit=LIMIT)
    assert outcome == NotConverted(Failure.FAILED, "last")


async def test_a_program_that_is_gone_is_a_failure_of_the_conversion(tmp_path: Path) -> None:
    outcome = await Transcoder(concurrency=1).run([str(tmp_path / "none")], limit=LIMIT)
    assert isinstance(outcome, NotConverted)
    assert outcome.failure is Failure.FAILED


def test_a_configured_program_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"recorder\.ffmpeg"):
        find_ffmpeg("/nowhere/ffmpeg")
