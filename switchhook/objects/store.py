"""`Objects`: recordings in their storage, encrypted or not, read whole or in part, and verified when they are written.

    objects = open_objects(settings)                 # a folder or S3, by [storage]; with its encryption keys
    placed = await objects.put("main/a.mp3", path)   # durable, read back and compared when it returns
    found = await objects.open("main/a.mp3")         # None when there is none; .size and .stream(start, length)

Sizes and offsets are those of the content, whatever encryption adds. Names come from `switchhook.links`, never from
outside. Everything raises `ObjectsError`; nothing is retried here beyond what the S3 client does.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from switchhook.errors import ObjectDamaged, ObjectsUnreachable
from switchhook.objects.bucket import PIECE_SIZE, Bucket, Stored, open_bucket
from switchhook.objects.keyring import Keyring, read_keyring
from switchhook.objects.sealed import (
    FILE_ID_SIZE,
    HEADER_SIZE,
    Header,
    Seal,
    Span,
    opened_size,
    parse_header,
    sealed_size,
    span_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime, timedelta

    from switchhook.settings import Settings

_READ_SIZE = 256 * 1024
_AT_ONCE = 5 * 1024 * 1024  # bytes that are sent to a bucket from memory
_OPENED_AT_ONCE = PIECE_SIZE  # bytes of a sealed object that are read and opened together: whole chunks


@dataclass(frozen=True, slots=True)
class Placed:
    """What was stored: bytes of its content, and their SHA-256 in hex."""

    size: int
    sha256: str


class OpenObject:
    """An object that was there a moment ago; nothing is held open. `etag` is the storage's, for this very version."""

    def __init__(self, bucket: Bucket, stored: Stored, seal: Seal | None) -> None:
        self._bucket = bucket
        self._stored = stored
        self._seal = seal
        self.name = stored.name
        self.size = stored.size if seal is None else opened_size(stored.size)
        self.modified: datetime = stored.modified
        self.etag = stored.etag

    @property
    def is_sealed(self) -> bool:
        """True when it is encrypted in its storage."""
        return self._seal is not None

    async def stream(self, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The content from `start`, in pieces. Raises `ObjectDamaged` when less than `length` comes."""
        left = min(self.size - start, self.size if length is None else length)
        while left > 0:
            # In plain, the storage does the pieces; sealed, as many whole chunks as are opened at once.
            asked = left if self._seal is None else min(left, _OPENED_AT_ONCE - start % _OPENED_AT_ONCE)
            async for piece in self._part(start, asked):
                yield piece
                start, left = start + len(piece), left - len(piece)

    async def read(self, start: int, length: int) -> bytes:
        """The content from `start`, fewer bytes only at its end. For small parts: it is held in memory."""
        return b"".join([piece async for piece in self.stream(start, length)])

    async def _part(self, start: int, length: int) -> AsyncIterator[bytes]:
        if self._seal is None:
            async for piece in self._plain(start, start + length):
                yield piece
            return
        # Nothing but the piece is held while whoever listens takes his time: a thousand do.
        yield await self._opened(self._seal, span_of(start, length, size=self.size), length)

    async def _opened(self, seal: Seal, span: Span, length: int) -> bytes:
        body = b"".join([piece async for piece in self._bucket.stream(self._stored, span.begin, span.end)])
        if len(body) != span.end - span.begin:
            raise ObjectDamaged(f"{self.name}: became shorter while it was read")
        opened = await asyncio.to_thread(seal.opened, body, first_chunk=span.first_chunk, size=self.size)
        return opened[span.skip : span.skip + length]

    async def _plain(self, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            asked_from = start
            try:
                async for piece in self._bucket.stream(self._stored, start, end):
                    start += len(piece)
                    yield piece
            except ObjectsUnreachable:
                # A request has a time limit, whoever listens slowly has none: where something came, ask for the rest.
                if start == asked_from:
                    raise
            else:
                if start != end:
                    raise ObjectDamaged(f"{self.name}: became shorter while it was read")


class Objects:
    """The storage of recordings."""

    def __init__(self, bucket: Bucket, keyring: Keyring, *, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._bucket = bucket
        self._keyring = keyring
        self._entropy = entropy

    async def put(self, name: str, source: Path | bytes, *, is_secret: bool = True) -> Placed:
        """Store it, replacing what is there, read it back and compare. OSError when `source` cannot be read.

        Others see the old object or the new one, never a part. What does not compare is removed: `ObjectDamaged`.
        It is encrypted when there is a key and `is_secret`.
        """
        wanted = await asyncio.to_thread(_measured, source)
        key_id = self._keyring.current
        content: Path | bytes | Iterable[bytes] = source
        if key_id is not None and is_secret:
            header = Header(key_id, self._entropy(FILE_ID_SIZE))
            seal = Seal(self._keyring.key(key_id), header, name=name)
            content = seal.sealed(_pieces(source), size=wanted.size)
        if self._bucket.root is None and wanted.size <= _AT_ONCE:
            # In one request: of several, a writer that is killed leaves some in the bucket, which nobody sees.
            content = await asyncio.to_thread(_whole, content)
        await self._bucket.put(name, content)
        if await self.measured(name) != wanted:
            await self._bucket.delete(name)
            raise ObjectDamaged(f"{name}: the storage gives back something else than it was given")
        return wanted

    async def measured(self, name: str) -> Placed | None:
        """Size and SHA-256 of what is stored, by reading all of it; None when it is not there, or damaged."""
        try:
            found = await self.open(name)
            if found is None:
                return None
            digest = hashlib.sha256()
            async for piece in found.stream():
                digest.update(piece)
        except ObjectDamaged:
            return None
        return Placed(found.size, digest.hexdigest())

    async def open(self, name: str) -> OpenObject | None:
        """The object, after one request; None when there is none. Raises `KeyMissing`, `ObjectDamaged`."""
        begun = await self._bucket.begin(name, HEADER_SIZE)
        if begun is None:
            return None
        stored, head = begun
        header = parse_header(head)
        seal = None if header is None else Seal(self._keyring.key(header.key_id), header, name=name)
        return OpenObject(self._bucket, stored, seal)

    async def head(self, name: str) -> Stored | None:
        """The object as stored (its size with encryption), without looking into it; None when there is none."""
        return await self._bucket.head(name)

    async def delete(self, name: str) -> None:
        """Remove it; what is gone already is no error."""
        await self._bucket.delete(name)

    def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Every object in the folder `prefix`, in no particular order; sizes are as stored."""
        return self._bucket.list(prefix)

    async def presigned(self, found: OpenObject, expires_in: timedelta) -> str | None:
        """An address at the storage itself; None in a folder, and for what only we can decrypt."""
        return None if found.is_sealed else await self._bucket.presigned(found.name, expires_in)

    @property
    def root(self) -> Path | None:
        """The folder that the objects are files of; None when they are in a bucket. Sealed ones are no use as files."""
        return self._bucket.root

    async def sweep_drafts(self) -> None:
        """Remove what writers that were killed left half-written; never what somebody may still be writing."""
        await asyncio.to_thread(self._bucket.sweep_drafts)

    def stored_size(self, size: int) -> int:
        """Bytes that content of this size takes now."""
        return size if self._keyring.current is None else sealed_size(size)


def open_objects(settings: Settings) -> Objects:
    """The storage of the configuration; nothing is asked of it yet. Raises ConfigError for a key that is none."""
    root = None if settings.storage.is_s3 else settings.storage_root
    return Objects(open_bucket(settings.storage, root=root), read_keyring(settings.storage))


def _measured(source: Path | bytes) -> Placed:
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(source):
        digest.update(piece)
        size += len(piece)
    return Placed(size, digest.hexdigest())


def _pieces(source: Path | bytes) -> Iterable[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while piece := file.read(_READ_SIZE):
            yield piece


def _whole(content: Path | bytes | Iterable[bytes]) -> bytes:
    if isinstance(content, bytes):
        return content
    return b"".join(_pieces(content) if isinstance(content, Path) else content)
