"""Recorders as processes that are killed, stopped and frozen, and how to catch them in the middle of something."""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.recorder.transcoder import find_ffmpeg
from tests.integration.recorder import process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from switchhook.settings import Settings
    from tests.relay import Relay


@asynccontextmanager
async def recorder_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs until the block ends, then is killed without warning."""
    path = settings.data_dir / "settings.pickle"
    path.write_bytes(pickle.dumps(settings))
    # The temporary folder of a test is long; the repository's root makes the packages importable.
    with (settings.data_dir / "log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable, process.__file__, str(path), cwd=Path(process.__file__).parents[3], stderr=log
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGKILL)
        await started.wait()


def slow_ffmpeg(folder: Path, *, seconds: float) -> str:
    """The real ffmpeg, but it thinks for a while first."""
    script = folder / "slow-ffmpeg"
    script.write_text(f'#!/bin/sh\nsleep {seconds}\nexec {find_ffmpeg(None)} "$@"\n')
    script.chmod(0o755)
    return str(script)


def held_ffmpeg(folder: Path, *, gate: Path) -> str:
    """The real ffmpeg, but it begins only when the gate is there, or after a minute: it outlives who is killed."""
    script = folder / "held-ffmpeg"
    wait = f"tries=0; while ! [ -e {gate} ] && [ $tries -lt 600 ]; do sleep 0.1; tries=$((tries + 1)); done"
    script.write_text(f'#!/bin/sh\n{wait}\nexec {find_ffmpeg(None)} "$@"\n')
    script.chmod(0o755)
    return str(script)


def working_on(folder: Path) -> list[int]:
    """The processes whose command line names a file in the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"file:{folder}/".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def is_in_the_middle(data_dir: Path, slow: Relay, moment: str) -> bool:
    """True while a file comes from the PBX, or goes to the storage."""
    work = data_dir / "recorder-work"
    if moment == "download":
        return any(0 < path.stat().st_size < 100_000 for path in work.glob("*.wav"))
    return slow.passed > 8_000 and any(work.glob("*.mp3"))
