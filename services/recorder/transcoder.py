"""Runs ffmpeg: a few at a time, with low priority, within a time limit, and never longer than the recorder itself.

Each runs in a process group of its own, which is killed as a whole when it takes too long or when its conversion is
cancelled. What a recorder that was killed left behind is found by the folder it worked in, and ended at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from services.recorder.ffmpeg import TAIL_SIZE, Failure, NotConverted, classify_exit
from switchhook.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from services.recorder.ffmpeg import TranscodeOutcome

log = logging.getLogger(__name__)

_NICENESS = 19


def find_ffmpeg(configured: str | None) -> str:
    """The program to run: the configured one, else the one on the PATH, else the bundled one. Raises ConfigError."""
    if configured is not None:
        found = shutil.which(configured)
        if found is None:
            raise ConfigError([f"recorder.ffmpeg: {configured} is not a program that can be run"])
        return found
    try:
        return shutil.which("ffmpeg") or _bundled()
    except (ImportError, RuntimeError) as error:
        raise ConfigError(["recorder.ffmpeg: there is no ffmpeg on this machine: install it, or set this"]) from error


def _bundled() -> str:
    # Where ffmpeg is installed nobody needs the package, which is as large as everything else together.
    import imageio_ffmpeg  # noqa: PLC0415 - an extra that need not be there

    return str(imageio_ffmpeg.get_ffmpeg_exe())


class Transcoder:
    """Conversions of one recorder; `concurrency` of them run at once, the others wait.

    Each is started and waited for by a thread: the event loop's own way of starting a program (uvloop's) copies the
    whole process first and holds the loop for more than ten milliseconds.
    """

    def __init__(self, *, concurrency: int) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="transcode")

    async def run(
        self, argv: Sequence[str], *, limit: timedelta, begun: Callable[[], None] = lambda: None
    ) -> TranscodeOutcome:
        """Run the command until it ends or the limit is over; waits for a free place first, and calls `begun` then."""
        async with self._places:
            begun()
            conversion = _Conversion(argv)
            ended = asyncio.get_running_loop().run_in_executor(self._threads, conversion.run)
            try:
                async with asyncio.timeout(limit.total_seconds()):
                    return await asyncio.shield(ended)
            except TimeoutError:
                return NotConverted(Failure.TIMED_OUT, f"not finished after {limit.total_seconds():.0f} s")
            finally:
                conversion.kill()
                # Shielded: a second cancellation must not leave a process that nobody waits for.
                await asyncio.shield(ended)


class _Conversion:
    """One run of the program: `run` in a thread, `kill` from any other, before, during or after it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._starting = threading.Lock()
        self._is_killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> TranscodeOutcome:
        with self._starting:
            if self._is_killed:
                return NotConverted(Failure.KILLED, "before it was started")
            try:
                self._process = process = subprocess.Popen(  # noqa: S603 - the program is the operator's choice
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                return NotConverted(Failure.FAILED, f"cannot be started: {error.strerror}")
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)
        with process:
            messages = _tail(process)
        return classify_exit(process.returncode, messages)

    def kill(self) -> None:
        with self._starting:
            self._is_killed = True
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)


def _tail(process: subprocess.Popen[bytes]) -> str:
    """The end of what the process says, read to the last so that it never waits for us."""
    tail = b""
    while process.stderr is not None and (chunk := os.read(process.stderr.fileno(), 4096)):
        tail = (tail + chunk)[-TAIL_SIZE:]
    return tail.decode(errors="replace")


def end_leftovers(work_dir: Path) -> None:
    """Kill conversions in `work_dir` that outlived their recorder. Only the folder's owner may call this."""
    mark = f"file:{work_dir}/".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(argument.startswith(mark) for argument in (folder / "cmdline").read_bytes().split(b"\0")):
                pid = int(folder.name)
                # A conversion leads a group of its own; whatever else names the folder has its group with others.
                end = os.killpg if os.getpgid(pid) == pid else os.kill
                end(pid, signal.SIGKILL)
                log.warning("transcode.leftover_ended", extra={"pid": pid})
