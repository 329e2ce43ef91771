"""Sealing: any part can be opened alone; whatever is changed, moved, cut off or exchanged is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchhook.errors import ObjectDamaged
from switchhook.objects.sealed import (
    CHUNK_SIZE,
    FILE_ID_SIZE,
    HEADER_SIZE,
    KEY_SIZE,
    Header,
    Seal,
    opened_size,
    parse_header,
    sealed_size,
    span_of,
)

KEY = bytes(range(KEY_SIZE))
HEADER = Header("2026", b"f" * FILE_ID_SIZE)
NAME = "main/a.mp3"
SEALED_CHUNK = CHUNK_SIZE + 16
SIZES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 3 * CHUNK_SIZE + 77]


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def sealed(
    content: bytes, *, key: bytes = KEY, header: Header = HEADER, name: str = NAME, piece: int = 10_000
) -> bytes:
    pieces = [content[place : place + piece] for place in range(0, len(content), piece)]
    return b"".join(Seal(key, header, name=name).sealed(pieces, size=len(content)))


def opened(stored: bytes, *, key: bytes = KEY, name: str = NAME) -> bytes:
    header = parse_header(stored)
    assert header is not None
    return Seal(key, header, name=name).opened(stored[HEADER_SIZE:], first_chunk=0, size=opened_size(len(stored)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1_000, CHUNK_SIZE, 1_000_000])
def test_what_is_sealed_opens_to_the_same(size: int, piece: int) -> None:
    stored = sealed(content_of(size), piece=piece)
    assert (len(stored), opened_size(len(stored))) == (sealed_size(size), size)
    assert parse_header(stored) == HEADER
    assert opened(stored) == content_of(size)


@given(size=st.sampled_from(SIZES[1:]), where=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_any_part_opens_alone(size: int, where: tuple[float, float]) -> None:
    content = content_of(size)
    stored = sealed(content)
    start = int(where[0] * (size - 1))
    length = 1 + int(where[1] * (size - start - 1))
    span = span_of(start, length, size=size)
    body = Seal(KEY, HEADER, name=NAME).opened(stored[span.begin : span.end], first_chunk=span.first_chunk, size=size)
    assert body[span.skip : span.skip + length] == content[start : start + length]
    assert span.end - span.begin <= (length // CHUNK_SIZE + 2) * SEALED_CHUNK


def test_a_changed_bit_is_noticed_wherever_it_is() -> None:
    stored = sealed(content_of(2 * CHUNK_SIZE + 5))
    for place in (40, HEADER_SIZE, HEADER_SIZE + CHUNK_SIZE, HEADER_SIZE + SEALED_CHUNK + 1, len(stored) - 1):
        changed = stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :]
        with pytest.raises(ObjectDamaged):
            opened(changed)


def test_whole_chunks_cannot_be_cut_off_or_exchanged() -> None:
    stored = sealed(content_of(3 * CHUNK_SIZE))
    first, second, third = (stored[HEADER_SIZE + n * SEALED_CHUNK :][:SEALED_CHUNK] for n in range(3))
    for body in (first + second, second + first + third, first + third, first + second + second):
        with pytest.raises(ObjectDamaged):
            opened(stored[:HEADER_SIZE] + body)


def test_an_object_cannot_take_the_place_of_another() -> None:
    with pytest.raises(ObjectDamaged):
        opened(sealed(content_of(100)), name="main/b.mp3")


def test_another_key_opens_nothing() -> None:
    with pytest.raises(ObjectDamaged):
        opened(sealed(content_of(100)), key=bytes(KEY_SIZE))


def test_the_same_content_never_looks_the_same() -> None:
    other = Header("2026", b"g" * FILE_ID_SIZE)
    assert sealed(content_of(100))[HEADER_SIZE:] != sealed(content_of(100), header=other)[HEADER_SIZE:]


@pytest.mark.parametrize("size", [0, HEADER_SIZE, HEADER_SIZE + 15, HEADER_SIZE + SEALED_CHUNK + 15])
def test_a_size_that_no_sealed_object_has_is_damage(size: int) -> None:
    with pytest.raises(ObjectDamaged, match="cut off"):
        opened_size(size)


def test_content_that_changes_while_it_is_sealed_is_noticed() -> None:
    for size in (99, 101, 101 + CHUNK_SIZE):
        with pytest.raises(ObjectDamaged, match="changed"):
            list(Seal(KEY, HEADER, name=NAME).sealed([bytes(100)], size=size))


@pytest.mark.parametrize("head", [b"", b"ID3\x04", b"\xff\xfb" + bytes(100), b'{"sha256": 1}' * 9])
def test_what_is_not_sealed_is_told_by_its_beginning(head: bytes) -> None:
    assert parse_header(head) is None
