"""How an object is encrypted so that any part of it can be read alone: AES-256-GCM in chunks of 64 KiB.

    header: mark (8 bytes), id of the key (24), id of the file (32, random);  then chunks, each with a tag (16)

The chunks' key is derived (HKDF-SHA256) from the named key and the file's id, so no nonce is ever used twice. A nonce
is the chunk's number and whether it is the last one: chunks cannot be reordered, left out or cut off unnoticed. Header
and name of the object are authenticated with every chunk: nor can an object take another one's place. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from switchhook.errors import ObjectDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEY_SIZE = 32
FILE_ID_SIZE = 32
HEADER_SIZE = 64
CHUNK_SIZE = 64 * 1024
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,23}")

_MARK = b"SWSEAL\x01\n"
_KEY_ID_SIZE = 24
_TAG_SIZE = 16
_SEALED_CHUNK = CHUNK_SIZE + _TAG_SIZE
_PURPOSE = b"switchhook object 1"


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a sealed object."""

    key_id: str
    file_id: bytes

    def __bytes__(self) -> bytes:
        return _MARK + self.key_id.encode("ascii").ljust(_KEY_ID_SIZE, b"\0") + self.file_id


@dataclass(frozen=True, slots=True)
class Span:
    """Where the chunks of a part stand: bytes of the sealed object, the first chunk's number, what to skip in it."""

    begin: int
    end: int
    first_chunk: int
    skip: int


def parse_header(head: bytes) -> Header | None:
    """The header in the first `HEADER_SIZE` bytes of an object; None when the object is not sealed."""
    if len(head) < HEADER_SIZE or not head.startswith(_MARK):
        return None
    start = len(_MARK) + _KEY_ID_SIZE
    return Header(head[len(_MARK) : start].rstrip(b"\0").decode("ascii", "replace"), head[start:HEADER_SIZE])


def sealed_size(size: int) -> int:
    """Bytes that `size` bytes have once sealed."""
    return HEADER_SIZE + size + _TAG_SIZE * _chunks(size)


def opened_size(sealed: int) -> int:
    """Bytes that a sealed object of this size holds. Raises `ObjectDamaged` for a size that none has."""
    body = sealed - HEADER_SIZE
    size = body - _TAG_SIZE * -(-body // _SEALED_CHUNK)
    if body < _TAG_SIZE or size < 0 or sealed_size(size) != sealed:
        raise ObjectDamaged("it was cut off: its size is not that of any sealed object")
    return size


def span_of(start: int, length: int, *, size: int) -> Span:
    """Which part of a sealed object holds these bytes of its content, which has `size` in all; `length` above 0."""
    first, last = start // CHUNK_SIZE, (start + length - 1) // CHUNK_SIZE
    begin = HEADER_SIZE + first * _SEALED_CHUNK
    end = min(HEADER_SIZE + (last + 1) * _SEALED_CHUNK, sealed_size(size))
    return Span(begin, end, first, start - first * CHUNK_SIZE)


class Seal:
    """Seals and opens the chunks of one object; `name` is where it is stored."""

    def __init__(self, key: bytes, header: Header, *, name: str) -> None:
        derived = HKDF(SHA256(), KEY_SIZE, salt=header.file_id, info=_PURPOSE).derive(key)
        self._cipher = AESGCM(derived)
        self._header = bytes(header)
        self._bound = self._header + name.encode()

    def sealed(self, pieces: Iterable[bytes], *, size: int) -> Iterator[bytes]:
        """The sealed object, of content in pieces of any length that have `size` bytes together."""
        yield self._header
        chunks, number, waiting = _chunks(size), 0, bytearray()
        for piece in pieces:
            waiting += piece
            while len(waiting) >= CHUNK_SIZE and number < chunks - 1:
                yield self._chunk(number, bytes(waiting[:CHUNK_SIZE]), is_last=False)
                del waiting[:CHUNK_SIZE]
                number += 1
        if number != chunks - 1 or len(waiting) != size - number * CHUNK_SIZE:
            raise ObjectDamaged("it changed while it was stored")
        yield self._chunk(number, bytes(waiting), is_last=True)

    def opened(self, body: bytes, *, first_chunk: int, size: int) -> bytes:
        """The content of whole sealed chunks, from the `first_chunk`-th on; `size` is the object's. `ObjectDamaged`."""
        last = _chunks(size) - 1
        opened = []
        for number, place in enumerate(range(0, len(body), _SEALED_CHUNK), start=first_chunk):
            chunk = body[place : place + _SEALED_CHUNK]
            try:
                opened.append(self._cipher.decrypt(_nonce(number, is_last=number == last), chunk, self._bound))
            except InvalidTag as error:
                raise ObjectDamaged("its content was changed or cut off, or its key is another one") from error
        return b"".join(opened)

    def _chunk(self, number: int, content: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, is_last=is_last), content, self._bound)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(8, "big") + int(is_last).to_bytes(4, "big")


def _chunks(size: int) -> int:
    return max(-(-size // CHUNK_SIZE), 1)
