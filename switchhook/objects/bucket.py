"""The place itself, behind obstore: a folder, or a bucket of any S3-compatible server. Bytes under names, no more.

What is written appears whole or not at all; an object has one writer at a time. obstore's exceptions end here, as
`ObjectsError`; what is not there is None. Every request has a time limit.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from switchhook.errors import ObjectDamaged, ObjectsError, ObjectsFull, ObjectsRefused, ObjectsUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import datetime
    from pathlib import Path

    from obstore.store import ClientConfig, RetryConfig, S3Config

    from switchhook.settings import StorageSettings

PIECE_SIZE = 256 * 1024
"""Bytes that a stream has in memory at once, roughly."""

_CONNECT_TIMEOUT = timedelta(seconds=5)
_TIMEOUT = timedelta(seconds=60)  # of one request; large objects are sent and read in several
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
_PART_SIZE = 5 * 1024 * 1024  # the least that S3 takes
_PARTS_AT_ONCE = 2
_REGION = "us-east-1"  # what servers without regions expect
# How obstore names a file that is being written, and how an older version of Switchhook did.
_DRAFT = re.compile(r".+#[0-9]+|\..+\.part")
_ABANDONED = 3600.0  # seconds without a change after which a draft belongs to nobody
_DENIED = (PermissionError, PermissionDeniedError, UnauthenticatedError)
_FULL = ("No space left", "StorageFull", "Disk quota exceeded", "EntityTooLarge", "QuotaExceeded")
_STATUS = re.compile(r"status code: (\d+)[^:]*(?:.*?<Code>(\w+)</Code>)?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object as the place knows it; `size` in bytes as stored."""

    name: str
    size: int
    modified: datetime
    etag: str


class Bucket:
    """A folder or a bucket. Names are relative, with `/` between their steps."""

    def __init__(self, store: S3Store | None, *, root: Path | None) -> None:
        self._remote = store
        self._local: LocalStore | None = None
        self.root = root
        """The folder; None when it is none."""

    async def put(self, name: str, content: bytes | Iterable[bytes] | Path) -> None:
        """Store under that name, replacing what is there, and drafts of it; durable when it returns."""
        # A folder writes pieces itself; to S3 small content goes in one request.
        multipart = None if isinstance(content, bytes) else True if self.root is None else None
        try:
            if self.root is not None:
                await asyncio.to_thread(_begin, self.root, self.root / name)
            await obstore.put_async(
                self._store,
                name,
                content,
                use_multipart=multipart,
                chunk_size=_PART_SIZE,
                max_concurrency=_PARTS_AT_ONCE,
            )
            if self.root is not None:
                await asyncio.to_thread(_sync, self.root, self.root / name)
        except FileNotFoundError as error:
            raise ObjectsRefused(f"{self._place}: it does not exist") from error
        except (BaseError, OSError) as error:
            raise self._translated(error) from error

    async def head(self, name: str) -> Stored | None:
        """Size, time and tag."""
        try:
            meta = await obstore.head_async(self._store, name)
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._translated(error) from error
        return Stored(name=name, size=meta["size"], modified=meta["last_modified"], etag=meta["e_tag"] or "")

    async def begin(self, name: str, length: int) -> tuple[Stored, bytes] | None:
        """What `head` gives and the first bytes, in one request; None when there is no such object."""
        try:
            result = await obstore.get_async(self._store, name, options={"range": (0, length)})
            content = bytes(await result.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            # An empty object has no first bytes, and is refused for that.
            stored = await self.head(name)
            if stored is not None and stored.size == 0:
                return stored, b""
            raise self._translated(error) from error
        meta = result.meta
        stored = Stored(name=name, size=meta["size"], modified=meta["last_modified"], etag=meta["e_tag"] or "")
        return stored, content

    async def stream(self, stored: Stored, begin: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a part of this very version, piece by piece. Raises `ObjectDamaged` when it was replaced."""
        name = stored.name
        try:
            result = await obstore.get_async(
                self._store, name, options={"range": (begin, end), "if_match": stored.etag or None}
            )
            async for piece in result.stream(min_chunk_size=PIECE_SIZE):
                yield bytes(piece)
        except FileNotFoundError as error:
            raise ObjectDamaged(f"{name}: is gone") from error
        except PreconditionError as error:
            raise ObjectDamaged(f"{name}: was replaced while it was read") from error
        except (BaseError, OSError) as error:
            raise self._translated(error) from error

    async def delete(self, name: str) -> None:
        """Remove it and drafts of it; what is gone already is no error."""
        try:
            if self.root is not None:
                await asyncio.to_thread(_remove_drafts, self.root / name)
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._translated(error) from error

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Every object whose name begins with these steps, in no particular order."""
        try:
            async for page in obstore.list(self._store, prefix=prefix or None, chunk_size=1000):
                for meta in page:
                    yield Stored(
                        name=meta["path"], size=meta["size"], modified=meta["last_modified"], etag=meta["e_tag"] or ""
                    )
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._translated(error) from error

    async def presigned(self, name: str, expires_in: timedelta) -> str | None:
        """An address that gives the object to whoever has it; None where there is no such thing."""
        if self._remote is None:
            return None
        try:
            return await obstore.sign_async(self._remote, "GET", name, expires_in)
        except (BaseError, OSError) as error:
            raise self._translated(error) from error

    def sweep_drafts(self) -> None:
        """Remove what writers that were killed left in a folder. Blocks; S3 removes its own by a lifecycle rule."""
        for draft in self.root.rglob("*") if self.root is not None else ():
            with suppress(OSError):
                if _DRAFT.fullmatch(draft.name) and time.time() - draft.stat().st_mtime > _ABANDONED:
                    draft.unlink()

    @property
    def _store(self) -> LocalStore | S3Store:
        """Raises FileNotFoundError while the folder is not there: readers may be started before it is mounted."""
        if self._remote is not None:
            return self._remote
        if self._local is None:
            if self.root is None or not self.root.exists():
                raise FileNotFoundError(str(self.root))
            self._local = LocalStore(self.root)
        return self._local

    @property
    def _place(self) -> str:
        return f"storage {self.root}" if self.root is not None else "storage bucket"

    def _translated(self, error: Exception) -> ObjectsError:
        text = str(error)
        sentence = text.partition("\n")[0][:300]
        if any(sign in text for sign in _FULL):
            return ObjectsFull(f"{self._place}: is full: free some space, or lower recorder.quota")
        if (
            isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError)
            or "Permission denied" in text
        ):
            return ObjectsRefused(f"{self._place}: access denied: {_reason(text) or sentence}")
        if self.root is not None:
            return ObjectsError(f"{self._place}: {sentence}")
        reason = _reason(text)
        if reason.startswith("4"):
            return ObjectsRefused(f"{self._place}: refuses the request: {reason}")
        return ObjectsUnreachable(f"{self._place}: does not answer: {reason or 'no connection, or too slow'}")


def open_bucket(storage: StorageSettings, *, root: Path | None) -> Bucket:
    """The configured place; `root` is the folder when it is one. Nothing is asked of it yet."""
    if root is not None:
        return Bucket(None, root=root)
    parts = urlsplit(storage.url)
    config: S3Config = {"region": storage.region or _REGION, "checksum_algorithm": "SHA256"}
    client: ClientConfig = {"connect_timeout": _CONNECT_TIMEOUT, "timeout": _TIMEOUT}
    if storage.endpoint is not None:
        config["endpoint"] = storage.endpoint
        client["allow_http"] = storage.endpoint.startswith("http:")
    if storage.access_key is not None and storage.secret_key is not None:
        config["access_key_id"] = storage.access_key.get_secret_value()
        config["secret_access_key"] = storage.secret_key.get_secret_value()
    store = S3Store(
        parts.netloc, prefix=parts.path.strip("/") or None, config=config, client_options=client, retry_config=_RETRIES
    )
    return Bucket(store, root=None)


def _reason(text: str) -> str:
    """Status and code of an S3 answer, such as `403 AccessDenied`."""
    found = _STATUS.search(text)
    return " ".join(filter(None, found.groups())) if found else ""


def _begin(root: Path, path: Path) -> None:
    """Make the folder, and remove what a writer of this very object left when it was killed."""
    root.mkdir(parents=True, exist_ok=True)
    _remove_drafts(path)


def _remove_drafts(path: Path) -> None:
    # A writer takes the first number that is free.
    with suppress(OSError):
        for number in count(1):
            path.with_name(f"{path.name}#{number}").unlink()


def _sync(root: Path, path: Path) -> None:
    """Put a written file and its name onto the disk."""
    for place, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY), (root, os.O_RDONLY)):
        descriptor = os.open(place, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
