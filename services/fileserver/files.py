"""Finding a recording on disk: from a parsed name to an open file inside the root, never through a link out of it.

Every step is taken relative to a folder that is already open and refuses symbolic links, so that nothing that changes
meanwhile can lead elsewhere. The root itself may be a link: that is the administrator's choice. Blocking: call it in a
thread.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.fileserver.ranges import Representation

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.links import RecordingName

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a named pipe in the folder must not hold the thread.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenRecording:
    """An open MP3; whoever gets it closes it."""

    descriptor: int
    representation: Representation

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file. Raises OSError."""
        return os.pread(self.descriptor, length, offset)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def open_recording(root: Path, pbx: str, name: RecordingName) -> OpenRecording | None:
    """The recording in the folder of `pbx`, or in any folder when `pbx` is empty; None when there is none.

    Raises OSError for everything but absence, such as a disk that cannot be read.
    """
    try:
        root_folder = os.open(root, _FOLDER)
    except FileNotFoundError:
        return None
    try:
        for folder in [pbx] if pbx else _names(root_folder):
            if (found := _open_in(root_folder, folder, str(name))) is not None:
                return found
    finally:
        os.close(root_folder)
    return None


def _names(root_folder: int) -> list[str]:
    with os.scandir(root_folder) as entries:
        return sorted(entry.name for entry in entries)


def _open_in(root_folder: int, folder: str, file_name: str) -> OpenRecording | None:
    if folder in {"", ".", ".."} or "/" in folder or "\0" in folder:
        return None
    try:
        pbx_folder = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=root_folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _open_regular(pbx_folder, file_name)
    finally:
        os.close(pbx_folder)


def _open_regular(pbx_folder: int, file_name: str) -> OpenRecording | None:
    # A symbolic link is no recording: it is answered like an absent file, and not followed to see what it points at.
    with suppress(FileNotFoundError):
        if stat.S_ISREG(os.stat(file_name, dir_fd=pbx_folder, follow_symlinks=False).st_mode):
            return _opened(os.open(file_name, _FILE, dir_fd=pbx_folder))
    return None


def _opened(descriptor: int) -> OpenRecording:
    status = os.fstat(descriptor)
    changed = datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, UTC)
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return OpenRecording(descriptor, Representation(size=status.st_size, tag=tag, modified=changed))
