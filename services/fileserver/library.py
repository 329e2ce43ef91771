"""Finds what a link names: the file itself where recordings are plain files, else the object in its storage.

Says also what is known to be gone. What is encrypted, or in a bucket, is read through `switchhook.objects`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Protocol

from services.fileserver.files import open_recording
from services.fileserver.ranges import Representation
from switchhook.objects import Gone, object_name, read_card
from switchhook.objects.sealed import HEADER_SIZE, parse_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.fileserver.files import OpenRecording
    from switchhook.links import RecordingName
    from switchhook.objects import Objects, OpenObject


_PBX_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class Readable(Protocol):
    """A recording that can be sent; whoever gets it closes it."""

    @property
    def representation(self) -> Representation: ...
    async def part(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end. Raises OSError or `ObjectsError`."""

    def close(self) -> None: ...


class _File:
    """A plain file."""

    def __init__(self, recording: OpenRecording) -> None:
        self._recording = recording
        self.representation = recording.representation

    async def part(self, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._recording.read, offset, length)

    def close(self) -> None:
        self._recording.close()


class _Object:
    """An object; nothing of it is held open."""

    def __init__(self, found: OpenObject) -> None:
        self._found = found
        modified = found.modified.replace(microsecond=0)
        tag = found.etag.strip('"') or f"{found.modified.timestamp():x}"
        self.representation = Representation(size=found.size, tag=tag, modified=modified)

    async def part(self, offset: int, length: int) -> bytes:
        return await self._found.read(offset, length)

    def close(self) -> None:
        """Nothing is to be given back."""


class Library:
    """The recordings of these PBXs."""

    def __init__(self, objects: Objects, pbx_names: Sequence[str]) -> None:
        self._objects = objects
        self._pbx_names = pbx_names

    async def find(self, pbx: str, name: RecordingName) -> Readable | Gone | None:
        """The recording of that PBX, or of any when `pbx` is empty. Raises OSError or `ObjectsError`."""
        if pbx and not _PBX_NAME.fullmatch(pbx):
            return None  # an open link may name anything: it becomes a step of a path
        if self._objects.root is not None:
            found = await asyncio.to_thread(open_recording, self._objects.root, pbx, name)
            if found is not None and parse_header(found.read(0, HEADER_SIZE)) is None:
                return _File(found)
            if found is not None:
                found.close()
        gone: Gone | None = None
        for each in [pbx] if pbx else self._pbx_names:
            stored = await self._objects.open(object_name(each, name))
            if stored is not None:
                return _Object(stored)
            if gone is None and await self._objects.head(f"{object_name(each, name)}.json") is not None:
                card = await read_card(self._objects, each, name)
                gone = card if isinstance(card, Gone) else None
        return gone
