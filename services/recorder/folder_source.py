"""Recordings in a folder that the PBX writes to, local or mounted; nothing in it is ever changed.

A file counts when its size is the same at two looks and its RIFF header agrees with it; one whose header never does,
when it has not changed for a while. The kernel's word of changes makes looks come soon; where there is none, as on a
mounted folder, the folder is looked through every few seconds. Every method that reads it raises `PbxUnreachable`.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

import watchfiles

from services.recorder.folder_rows import file_row, name_times
from services.recorder.jobs import Reason
from services.recorder.riff import HEAD_SIZE, Wav, inspect, is_complete
from services.recorder.source import Ahead, Fetched, NotFetched
from switchhook.errors import PbxUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from services.recorder.rows import RecordingRow
    from services.recorder.source import Window

_SCAN_EVERY = 2.0  # seconds between two looks through the whole folder, at least
_SCAN_SHARE = 50  # and so many times as long as one takes
_AGAIN_AFTER = 0.4  # seconds until a file that may still grow is looked at again
_RETRY = 5.0  # seconds, while there is no folder to watch
_MARGIN = 600 * 10**9  # ns before the mark that are looked through again after a start
_PAGE = 100
_COPIED_AT_ONCE = 256 * 1024
_SUFFIX = ".wav"


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was at one look; `path` below the folder."""

    path: str
    size: int
    changed_ns: int

    @property
    def mark(self) -> int:
        """Not in the future: whatever came until then would seem to be older."""
        return min(self.changed_ns, time.time_ns())


@dataclass(slots=True)
class _Pending:
    """A file that may still grow, and since when (monotonic seconds) it has been as it is."""

    file: _File
    since: float


class FolderSource:
    """A `RecordingSource`; marks are times of change in ns."""

    def __init__(self, folder: Path, *, pbx: str, timezone: str, patience: timedelta) -> None:
        """A file that has not changed for `patience` counts whatever its header says."""
        self._folder = folder
        self._pbx = pbx
        self._zone = ZoneInfo(timezone)
        self._patience = patience.total_seconds()
        self._pending: dict[str, _Pending] = {}
        self._given: dict[str, _File] = {}
        self._touched: set[str] = set()
        self._growing: tuple[RecordingRow, ...] = ()
        self._scanned_at: float | None = None  # monotonic seconds, of its beginning
        self._scan_due = 0.0  # monotonic seconds
        self._waiting = asyncio.Event()

    async def newest_mark(self) -> int:
        """The time of the youngest file; 0 when there is none."""
        return max((file.mark for file in await asyncio.to_thread(self._scan)), default=0)

    async def listed_after(self, mark: int) -> AsyncIterator[list[RecordingRow]]:
        """Files that became complete, whenever they were begun."""
        rows = await asyncio.to_thread(self._new_rows, mark)
        for start in range(0, len(rows), _PAGE):
            yield rows[start : start + _PAGE]

    def ahead(self) -> Ahead:
        """Files that were not complete yet; what came since the last look through the whole folder may be unseen."""
        now = time.monotonic()
        return Ahead(self._growing, timedelta(seconds=now - (self._scanned_at or now)))

    async def listed_within(self, window: Window) -> AsyncIterator[list[RecordingRow]]:
        """Files that began in the window, told by their names, else by their times."""
        rows = await asyncio.to_thread(self._rows_within, window)
        for start in range(0, len(rows), _PAGE):
            yield rows[start : start + _PAGE]

    async def download(self, row: RecordingRow, target: Path) -> Fetched | NotFetched:
        """Copy the file to `target`."""
        return await asyncio.to_thread(self._copied, row.file, target)

    async def run(self, stir: Callable[[], None]) -> NoReturn:
        """Tell of changes, and that files which may have grown should be looked at again; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(stir))
            while True:
                await self._waiting.wait()
                await asyncio.sleep(_AGAIN_AFTER)
                self._waiting.clear()
                stir()

    async def _watch(self, stir: Callable[[], None]) -> NoReturn:
        while True:
            try:
                async for changes in watchfiles.awatch(self._folder, recursive=True, step=50, debounce=400):
                    self._touched |= {path.removeprefix(f"{self._folder}/") for _, path in changes}
                    if not all(path.lower().endswith(_SUFFIX) for _, path in changes):
                        self._scan_due = 0.0  # a new folder: what was put into it at once was not told
                    stir()
            except (OSError, RuntimeError):  # the folder is not there, or cannot be watched
                self._scan_due = 0.0
            await asyncio.sleep(_RETRY)

    def _new_rows(self, mark: int) -> list[RecordingRow]:
        now = time.monotonic()
        touched, self._touched = self._touched, set()
        files = {file.path: file for path in touched if (file := self._looked_at(path)) is not None}
        if now >= self._scan_due:
            since = mark - _MARGIN if self._scanned_at is None else mark
            scanned = self._scan()
            if mark and not scanned and not any(self._folder.iterdir()):
                raise PbxUnreachable(f"{self._pbx}: {self._folder} is empty: is it mounted?")
            files |= {file.path: file for file in scanned if file.changed_ns > since}
            self._scanned_at, ended_at = now, time.monotonic()
            self._scan_due = ended_at + max(_SCAN_EVERY, _SCAN_SHARE * (ended_at - now))
            self._given = {path: file for path, file in self._given.items() if file.changed_ns > mark - _MARGIN}
        for path in list(self._pending):
            if (file := self._looked_at(path)) is None:
                del self._pending[path]
            else:
                files[path] = file
        rows = [row for file in files.values() if (row := self._judged(file, now)) is not None]
        self._growing = tuple(self._row(pending.file) for pending in self._pending.values())
        if self._pending:
            self._waiting.set()
        return sorted(rows, key=lambda row: row.mark)

    def _judged(self, file: _File, now: float) -> RecordingRow | None:
        """The file's row when it has become complete."""
        if self._given.get(file.path) == file:
            return None
        known = self._pending.get(file.path)
        if known is None or known.file != file:
            self._pending[file.path] = _Pending(file, now)
            return None
        if not self._is_whole(file) and now - known.since < self._patience:
            return None
        del self._pending[file.path]
        self._given[file.path] = file
        return self._row(file)

    def _rows_within(self, window: Window) -> list[RecordingRow]:
        rows = []
        for file in self._scan():
            times = name_times(file.path.rpartition("/")[2], self._zone)
            written_at = _moment(file.changed_ns)
            is_near = any(window.begin <= each <= window.end for each in times) or (
                not times and window.begin <= written_at
            )
            if is_near and file.path not in self._pending and (self._is_whole(file) or self._is_old(file)):
                row = self._row(file)
                if row.started_at is not None and window.begin <= row.started_at <= window.end:
                    rows.append(row)
        return rows

    def _row(self, file: _File) -> RecordingRow:
        sound = inspect(self._head(file), file.size)
        length = sound.duration if isinstance(sound, Wav) else timedelta()
        written_at = _moment(file.changed_ns)
        return file_row(file.path, written_at=written_at, length=length, zone=self._zone, mark=file.mark)

    def _is_whole(self, file: _File) -> bool:
        return is_complete(self._head(file), file.size)

    def _is_old(self, file: _File) -> bool:
        # Told by the file itself: what is broken has to be known after a restart too.
        return time.time() - file.changed_ns / 10**9 >= self._patience

    def _head(self, file: _File) -> bytes:
        try:
            with self._opened(file.path) as content:
                return content.read(HEAD_SIZE)
        except (FileNotFoundError, PermissionError):
            return b""  # that it cannot be read is said when it is fetched, and holds no other file up
        except OSError as error:
            raise self._unreadable(error) from error

    def _copied(self, path: str, target: Path) -> Fetched | NotFetched:
        try:
            source = self._opened(path)
        except IsADirectoryError:
            return NotFetched(Reason.FILE_NOT_FOUND, "it is no file")  # the row is of the PBX's list
        except FileNotFoundError as error:
            # Who reads the list may see a folder that is not mounted here.
            if not self._folder.is_dir() or not any(self._folder.iterdir()):
                raise self._unreadable(error) from error
            return NotFetched(Reason.FILE_NOT_FOUND, "it is not in the folder any more")
        except OSError as error:
            raise self._unreadable(error) from error
        with source, target.open("wb") as copy:
            while True:
                try:
                    piece = source.read(_COPIED_AT_ONCE)
                except OSError as error:
                    raise self._unreadable(error) from error
                if not piece:
                    return Fetched()
                copy.write(piece)

    def _opened(self, path: str) -> FileIO:
        # Never through a link out of the folder, and never held by a pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return FileIO(str(self._folder / path), opener=lambda name, _: os.open(name, flags))

    def _looked_at(self, path: str) -> _File | None:
        try:
            status = (self._folder / path).lstat()
        except OSError:
            return None
        is_sound = path.lower().endswith(_SUFFIX) and stat.S_ISREG(status.st_mode)
        return _File(path, status.st_size, status.st_mtime_ns) if is_sound else None

    def _scan(self) -> list[_File]:
        try:
            return list(_files(self._folder, ""))
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> PbxUnreachable:
        return PbxUnreachable(f"{self._pbx}: {self._folder} cannot be read: {error.strerror or error}: is it mounted?")


def _files(folder: Path, below: str) -> Iterator[_File]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{path}/")
            elif entry.name.lower().endswith(_SUFFIX) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield _File(path, status.st_size, status.st_mtime_ns)


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 10**9, UTC)
