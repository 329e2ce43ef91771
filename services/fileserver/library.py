"""The library: from a PBX and a name to a recording that can be sent, wherever it is stored and however.

A plain file in a folder is opened here, so that the kernel can send it; what is encrypted or in a bucket is streamed.
The recording's card names its SHA-256, which is its entity tag, and says since when it is gone.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from services.fileserver.files import CHUNK, OpenFile, folder_names, open_file
from services.fileserver.ranges import Representation
from switchhook.errors import ObjectDamaged, ObjectsRefused
from switchhook.objects import Card, Gone, object_name, read_card
from switchhook.objects.sealed import HEADER_SIZE, parse_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from switchhook.links import RecordingName
    from switchhook.objects import Objects, OpenObject

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_KEPT_CARDS = 4096


class Body(Protocol):
    """The bytes of a recording. `file` is its plain file where it has one, `object` what it is in the storage."""

    @property
    def file(self) -> OpenFile | None: ...

    @property
    def object(self) -> OpenObject | None: ...

    def stream(self, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in pieces. Raises `ObjectsError`."""

    def close(self) -> None:
        """Nothing more is read."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that is there; `card` is None for one that an older version stored. Whoever gets it closes `body`."""

    pbx: str
    name: RecordingName
    representation: Representation
    card: Card | None
    body: Body


class Library:
    """Finds recordings. `pbx_names` are looked through, in this order, when a link names no PBX."""

    def __init__(self, objects: Objects, pbx_names: Sequence[str]) -> None:
        self._objects = objects
        self._pbx_names = tuple(pbx_names)
        self._cards: OrderedDict[tuple[str, int, str], Card] = OrderedDict()

    async def find(self, pbx: str, name: RecordingName) -> Recording | Gone | None:
        """The recording; when it was deleted, since when; None when it was never there. Raises `ObjectsError`."""
        gone: Gone | None = None
        for folder in [pbx] if pbx else await self._folders():
            if not _FOLDER_NAME.fullmatch(folder):
                continue
            found = await self._find_in(folder, name)
            if isinstance(found, Recording):
                return found
            gone = gone or found
        return gone

    async def _folders(self) -> Sequence[str]:
        root = self._objects.root
        return self._pbx_names if root is None else await asyncio.to_thread(folder_names, root)

    async def _find_in(self, pbx: str, name: RecordingName) -> Recording | Gone | None:
        body = await self._body(pbx, name)
        if body is None:
            card = await read_card(self._objects, pbx, name)
            return card if isinstance(card, Gone) else None
        try:
            card = await self._card(pbx, name, body)
        except BaseException:
            body.close()
            raise
        if isinstance(card, Gone):  # its deletion failed, and will be tried again
            body.close()
            return card
        tag = body.version if card is None else card.sha256
        changed = datetime.fromtimestamp(body.changed // 1_000_000_000, UTC)
        return Recording(pbx, name, Representation(size=body.size, tag=tag, modified=changed), card, body)

    async def _body(self, pbx: str, name: RecordingName) -> _FileBody | _ObjectBody | None:
        root = self._objects.root
        if root is not None:
            file = await asyncio.to_thread(_open_plain, root, pbx, name)
            if file is None or isinstance(file, OpenFile):
                return None if file is None else _FileBody(file)
        found = await self._objects.open(object_name(pbx, name))
        return None if found is None else _ObjectBody(found)

    async def _card(self, pbx: str, name: RecordingName, body: _FileBody | _ObjectBody) -> Card | Gone | None:
        """Read once for each version of the MP3: a player asks for many parts of one."""
        key = (object_name(pbx, name), body.size, body.version)
        if (kept := self._cards.get(key)) is not None:
            self._cards.move_to_end(key)
            return kept
        card = await read_card(self._objects, pbx, name)
        if isinstance(card, Gone):
            return card
        if card is None or card.size != body.size:
            return None  # of an older version of the software, or not (yet, any more) of this very file
        self._cards[key] = card
        while len(self._cards) > _KEPT_CARDS:
            self._cards.popitem(last=False)
        return card


class _FileBody:
    object = None

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.size = file.size
        self.changed = file.changed
        self.version = f"{file.changed:x}-{file.size:x}"

    async def stream(self, start: int, length: int) -> AsyncIterator[bytes]:
        end = start + length
        if start < len(self.file.head):
            chunk = self.file.head[start:end]
            yield chunk
            start += len(chunk)
        while start < end:
            chunk = await asyncio.to_thread(self._read, start, min(CHUNK, end - start))
            yield chunk
            start += len(chunk)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            chunk = self.file.read(offset, length)
        except OSError as error:
            raise ObjectsRefused(f"the file cannot be read: {error.strerror}") from error
        if not chunk:
            raise ObjectDamaged("the file became shorter while it was sent")
        return chunk

    def close(self) -> None:
        self.file.close()


class _ObjectBody:
    file = None

    def __init__(self, found: OpenObject) -> None:
        self.object = found
        self.size = found.size
        self.changed = int(found.modified.timestamp() * 1_000_000_000)
        self.version = f"{self.changed:x}-{found.size:x}"

    def stream(self, start: int, length: int) -> AsyncIterator[bytes]:
        return self.object.stream(start, length)

    def close(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The file is encrypted: it is of no use as a file."""


def _open_plain(root: Path, pbx: str, name: RecordingName) -> OpenFile | _Sealed | None:
    try:
        file = open_file(root, pbx, name)
    except OSError as error:
        raise ObjectsRefused(f"{pbx}/{name} cannot be read: {error.strerror}") from error
    if file is None or parse_header(file.head[:HEADER_SIZE]) is None:
        return file
    file.close()
    return _Sealed()
