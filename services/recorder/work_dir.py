"""A folder of one's own to convert in: recorders that share a `data_dir` must not clear each other's.

The first one has `recorder-work`, the next one `recorder-work-2`, and so on. Whose folder it is says a lock on the file
beside it, which ends with its process. What a process that is gone left in any of them is ended and removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from services.recorder.transcoder import end_leftovers
from switchhook.errors import StorageBroken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "recorder-work"
_MOST = 64  # recorders of one data_dir


@contextmanager
def work_dir(data_dir: Path) -> Iterator[Path]:
    """An empty folder with nobody at work in it, ours as long as the context. Blocks. Raises `StorageBroken`."""
    # Absolute: by this path, and no other of the same name, leftover conversions are found.
    data_dir = data_dir.resolve()
    with ExitStack() as stack:
        ours: Path | None = None
        for number in range(1, _MOST + 1):
            folder = data_dir / (_NAME if number == 1 else f"{_NAME}-{number}")
            lock = folder.with_name(f"{folder.name}.lock")
            if ours is not None and not lock.exists():
                break
            descriptor = _locked(lock)
            if descriptor is None:
                continue
            _clear(folder)
            if ours is None:
                stack.callback(os.close, descriptor)
                ours = folder
                folder.mkdir()
            else:
                os.close(descriptor)
        if ours is None:
            raise StorageBroken(f"{data_dir}: {_MOST} recorders work in it already")
        yield ours


def empty(folder: Path) -> None:
    """End and remove what is left in our own folder."""
    _clear(folder)
    folder.mkdir()


def _locked(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageBroken(f"{path.parent}: cannot be written ({error.strerror}): check data_dir") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _clear(folder: Path) -> None:
    if folder.exists():
        end_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)
