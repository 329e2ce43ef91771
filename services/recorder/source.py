"""Where recordings come from, as the finder and the conversion see it: a list to look through, and files to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from services.recorder.jobs import Reason
    from services.recorder.rows import RecordingRow


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in which awaited recordings began."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file is on disk."""


@dataclass(frozen=True, slots=True)
class NotFetched:
    """This file cannot be had, now or ever; `detail` is the PBX's word."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a look could not tell yet: files that still grow, and for how long something new may have gone unseen."""

    growing: tuple[RecordingRow, ...] = ()
    unseen_for: timedelta = timedelta()


class RecordingSource(Protocol):
    """The recordings of one PBX, with times by our clock. Raises `PbxError` when it cannot be asked at all."""

    async def newest_mark(self) -> int:
        """The highest mark in the list; 0 when it is empty."""

    def listed_after(self, mark: int) -> AsyncIterator[list[RecordingRow]]:
        """The rows above the mark, some at a time."""

    def ahead(self) -> Ahead:
        """What the last `listed_after` could not tell yet."""

    def listed_within(self, window: Window) -> AsyncIterator[list[RecordingRow]]:
        """The rows of recordings that began in the window, some at a time."""

    async def download(self, row: RecordingRow, target: Path) -> Fetched | NotFetched:
        """Write the file to `target`, replacing what is there. Raises OSError when that cannot be written."""

    async def run(self, stir: Callable[[], None]) -> None:
        """What has to go on in the background, until cancelled; `stir` is called when there may be something new."""
