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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.links import RecordingName

# Large enough that the hop into a thread is nothing, small enough that a thousand downloads fit into memory.
CHUNK = 32 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: a named pipe in the folder must not hold the thread.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open MP3, `size` bytes long; whoever gets it closes it. `changed` is in nanoseconds since 1970.

    `head` are its first bytes, read in the same visit to the thread.
    """

    descriptor: int
    size: int
    changed: int
    head: bytes

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file. Raises OSError."""
        return os.pread(self.descriptor, length, offset)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def open_file(root: Path, pbx: str, name: RecordingName) -> OpenFile | None:
    """The file in the folder of `pbx`; None when there is none.

    Raises OSError for everything but absence, such as a disk that cannot be read.
    """
    try:
        root_folder = os.open(root, _FOLDER)
    except FileNotFoundError:
        return None
    try:
        return _open_in(root_folder, pbx, str(name))
    finally:
        os.close(root_folder)


def folder_names(root: Path) -> list[str]:
    """The folders of the root, one for each PBX, in the order of their names; none when there is no root."""
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


def _open_in(root_folder: int, folder: str, file_name: str) -> OpenFile | None:
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


def _open_regular(pbx_folder: int, file_name: str) -> OpenFile | None:
    # A symbolic link is no recording: it is answered like an absent file, and not followed to see what it points at.
    with suppress(FileNotFoundError):
        if stat.S_ISREG(os.stat(file_name, dir_fd=pbx_folder, follow_symlinks=False).st_mode):
            return _opened(os.open(file_name, _FILE, dir_fd=pbx_folder))
    return None


def _opened(descriptor: int) -> OpenFile:
    try:
        status = os.fstat(descriptor)
        return OpenFile(descriptor, status.st_size, status.st_mtime_ns, os.pread(descriptor, CHUNK, 0))
    except BaseException:
        os.close(descriptor)
        raise
