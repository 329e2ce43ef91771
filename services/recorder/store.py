"""Keeps MP3 files: checked, tagged, and put into their folder whole or not at all.

A file is written under a hidden name in the folder it will live in, synced, renamed, and the folder synced; a repeat
replaces it. Everything here blocks: call it in a thread. Raises OSError.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.mp3 import measure, tag
from switchhook.events import RecordingFile
from switchhook.links import RecordingName, recording_path

if TYPE_CHECKING:
    from pathlib import Path

    from services.recorder.matching import AwaitedLink

TOLERANCE = timedelta(milliseconds=100)
"""By which the length of an MP3 may differ from its source's."""

_DRAFT_PREFIX = "."
_DRAFT_SUFFIX = ".part"
_ABANDONED = 3600.0  # seconds without a change after which a draft belongs to nobody


@dataclass(frozen=True, slots=True)
class WrongDuration:
    """The MP3 is not as long as what was recorded, or is no MP3."""

    detail: str


class Store:
    """The folder of MP3 files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def draft(self, pbx: str, name: RecordingName) -> Path:
        """Where the file is to be written before it is kept; makes the folder."""
        folder = self._root / pbx
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{_DRAFT_PREFIX}{name}{_DRAFT_SUFFIX}"

    def keep(
        self, draft: Path, link: AwaitedLink, name: RecordingName, *, duration: timedelta
    ) -> RecordingFile | WrongDuration:
        """Check, tag and publish a draft; `duration` is that of the source."""
        made = measure(draft)
        if made is None:
            return WrongDuration("not an MP3")
        if abs(made.duration - duration) > TOLERANCE:
            return WrongDuration(f"{made.duration.total_seconds():.3f} s instead of {duration.total_seconds():.3f} s")
        tag(draft, link)
        digest = hashlib.sha256()
        with draft.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            size = file.tell()
            os.fsync(file.fileno())
        draft.replace(draft.with_name(str(name)))
        _sync_folder(draft.parent)
        return RecordingFile(
            index=name.index,
            path=recording_path(name.call_id, name.link, name.index),
            duration=made.duration,
            size=size,
            sha256=digest.hexdigest(),
            channels=made.channels,
        )

    def delete(self, pbx: str, name: RecordingName) -> None:
        """Remove a file; one that is gone already is no error."""
        (self._root / pbx / str(name)).unlink(missing_ok=True)

    def sweep_drafts(self) -> None:
        """Remove what interrupted conversions left, whoever made it."""
        for draft in self._root.glob(f"*/{_DRAFT_PREFIX}*{_DRAFT_SUFFIX}"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > _ABANDONED:
                    draft.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
