"""`kill -9` of a recorder in the very moment that is wanted: it is halted, looked at, and killed or let go on.

Moments are made long enough to be found: while one waits, the way to the PBX or to the bucket is slow, or ffmpeg is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from services.recorder.riff import HEAD_SIZE, is_complete
from services.recorder.transcoder import find_ffmpeg
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.relay import Relay

_TRANSFERRED = 3_000  # bytes to a bucket after which an upload has begun, and is not over
_LOOK_EVERY = 0.001  # seconds
_STOPPED = 20.0  # seconds in which all threads of a process have stopped


class Moment(StrEnum):
    """What the recorder is about to do, or has done by half."""

    DOWNLOAD = "download"
    CONVERSION = "conversion"
    UPLOAD = "upload"


class Ambush:
    """Waits for a recorder over a data directory. `calls` and `objects`: the ways to a PBX and to a bucket, if any."""

    def __init__(self, data_dir: Path, *, calls: Relay | None, objects: Relay | None) -> None:
        self._work = data_dir / "recorder-work"
        self._database = data_dir / "recorder.sqlite3"
        self._folder = data_dir / "recordings"
        self._calls = calls
        self._objects = objects
        self._known: set[str] = set()
        self._slowness = data_dir / "slow"
        self.ffmpeg = data_dir / "slow-ffmpeg"
        data_dir.mkdir()
        self.ffmpeg.write_text(f'#!/bin/sh\n[ -e {self._slowness} ] && sleep 1\nexec {find_ffmpeg(None)} "$@"\n')
        self.ffmpeg.chmod(0o755)
        for relay in self._relays:
            relay.is_slow = False

    @contextmanager
    def _slow(self, moment: Moment) -> Iterator[None]:
        """What makes the moment long."""
        relay = {Moment.DOWNLOAD: self._calls, Moment.UPLOAD: self._objects}.get(moment)
        if relay is not None:
            relay.passed, relay.is_slow = 0, True
        elif moment is not Moment.UPLOAD:  # while one conversion takes its time, what is fetched waits for a place
            self._slowness.touch()
        try:
            yield
        finally:
            self._slowness.unlink(missing_ok=True)
            for one in self._relays:
                one.is_slow = False

    async def caught(self, pid: int, moment: Moment, *, within: float) -> bool:
        """Whether the process was killed in that moment, in which it was seen to be when it stood still."""
        deadline = time.monotonic() + within
        with self._slow(moment):
            while time.monotonic() < deadline:
                if self._seems(moment):
                    os.kill(pid, signal.SIGSTOP)
                    await eventually(lambda: _stands_still(pid), within=_STOPPED)
                    if self._is(moment):
                        os.kill(pid, signal.SIGKILL)
                        return True
                    os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(_LOOK_EVERY)
        return False

    def _seems(self, moment: Moment) -> bool:
        match moment:
            case Moment.DOWNLOAD:
                return any(self._fetched())
            case Moment.CONVERSION:
                return any(self._work.glob("*.wav")) and bool(self._converted())
            case Moment.UPLOAD if self._objects is not None:
                return self._objects.passed > _TRANSFERRED and any(self._work.glob("*.mp3"))
            case Moment.UPLOAD:
                return bool(self._stored() - self._known)

    def _is(self, moment: Moment) -> bool:
        if moment is Moment.UPLOAD and self._objects is None:
            self._known = self._kept()
            return bool(self._stored() - self._known)
        return self._seems(moment)

    def _fetched(self) -> Iterator[Path]:
        """Files that come from the PBX: by half, where the way is slow; else those that nobody converts yet."""
        for path in self._work.glob("*.wav"):
            try:
                with path.open("rb") as file:
                    is_whole = is_complete(file.read(HEAD_SIZE), size := path.stat().st_size)
            except OSError:
                continue
            if size and (not is_whole if self._calls is not None else path not in self._converted()):
                yield path

    def _converted(self) -> set[Path]:
        """The files that an ffmpeg is at work on."""
        found = set()
        mark = f"file:{self._work}/"
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_text().split("\0")
            except (OSError, UnicodeDecodeError):
                continue
            found |= {Path(one.removeprefix("file:")) for one in arguments if one.startswith(mark)}
        return found

    def _stored(self) -> set[str]:
        return {str(path.relative_to(self._folder)).partition(".mp3")[0] for path in self._folder.glob("*/*.mp3*")}

    def _kept(self) -> set[str]:
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT pbx, call_id, link, number FROM files")
            return {f"{pbx}/{call}-{link}-{number}" for pbx, call, link, number in rows}

    @property
    def _relays(self) -> list[Relay]:
        return [relay for relay in (self._calls, self._objects) if relay is not None]


def _stands_still(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
