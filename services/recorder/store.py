"""Keeps finished MP3 files: checked, tagged, described by a card, and visible whole or not at all.

Before anything is stored it is written down that it will be: what an interrupted recorder left is found by that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.mp3 import measure, tag
from switchhook.events import RecordingFile
from switchhook.links import recording_path
from switchhook.objects import Card, Gone, card_name, object_name, write_card

if TYPE_CHECKING:
    from pathlib import Path

    from services.recorder.kept_files import KeptFiles
    from services.recorder.matching import AwaitedLink
    from switchhook.links import RecordingName
    from switchhook.objects import Objects

TOLERANCE = timedelta(milliseconds=100)
"""By which the length of an MP3 may differ from its source's."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An MP3 that is to be stored; `duration` is that of its source, `waveform` as on its card."""

    path: Path
    duration: timedelta
    waveform: bytes


@dataclass(frozen=True, slots=True)
class WrongDuration:
    """The MP3 is not as long as what was recorded, or is no MP3."""

    detail: str


class Store:
    """The MP3 files. Every method raises `ObjectsError`, `StorageError` or OSError."""

    def __init__(self, objects: Objects, kept: KeptFiles) -> None:
        self._objects = objects
        self._kept = kept

    async def keep(self, draft: Draft, link: AwaitedLink, name: RecordingName) -> RecordingFile | WrongDuration:
        """Check, tag and store a draft."""
        made, duration = await asyncio.to_thread(measure, draft.path), draft.duration
        if made is None:
            return WrongDuration("not an MP3")
        if abs(made.duration - duration) > TOLERANCE:
            return WrongDuration(f"{made.duration.total_seconds():.3f} s instead of {duration.total_seconds():.3f} s")
        await asyncio.to_thread(tag, draft.path, link)
        pbx = link.key.pbx
        await self._kept.begin_upload(pbx, name)
        placed = await self._objects.put(object_name(pbx, name), draft.path)
        card = Card(
            user=link.user,
            number=link.outside_number,
            did=link.did,
            direction=link.direction,
            started_at=link.started_at,
            duration=made.duration,
            size=placed.size,
            sha256=placed.sha256,
            channels=made.channels,
            waveform=draft.waveform,
            traceparent=link.traceparent,
        )
        await write_card(self._objects, pbx, name, card)
        return RecordingFile(
            index=name.index,
            path=recording_path(name.call_id, name.link, name.index),
            duration=made.duration,
            size=placed.size,
            sha256=placed.sha256,
            channels=made.channels,
        )

    async def sweep_drafts(self) -> None:
        """Remove what writers that were killed left half-written."""
        await self._objects.sweep_drafts()

    async def bury(self, pbx: str, name: RecordingName, gone: Gone) -> None:
        """Delete an MP3 and leave word that it is gone; a repeat changes nothing."""
        await write_card(self._objects, pbx, name, gone)
        await self._objects.delete(object_name(pbx, name))

    async def delete(self, pbx: str, name: RecordingName) -> None:
        """Delete an MP3 and its card; what is gone already is no error."""
        await self._objects.delete(object_name(pbx, name))
        await self._objects.delete(card_name(pbx, name))
