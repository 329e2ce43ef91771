"""Objects in a folder and on a real S3 server, in plain and sealed: one suite over all four."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from switchhook.errors import (
    KeyMissing,
    ObjectDamaged,
    ObjectsError,
    ObjectsFull,
    ObjectsRefused,
    ObjectsUnreachable,
)
from switchhook.links import RecordingName
from switchhook.objects import (
    Card,
    Gone,
    GoneReason,
    Keyring,
    Objects,
    Placed,
    card_name,
    object_name,
    open_objects,
    read_card,
    write_card,
)
from switchhook.objects.bucket import PIECE_SIZE, Bucket, open_bucket
from switchhook.settings import Settings, StorageSettings
from tests.deadline import eventually
from tests.relay import relay_to
from tests.unit.objects.test_card import CARD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.s3_server import S3Server

NAME = "main/260514120000_46-1-1.mp3"
KEYS = Keyring("new", {"new": b"n" * 32, "old": b"o" * 32})
SOUND = os.urandom(300_001)


@pytest.fixture(params=["folder", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, s3_server: S3Server) -> Bucket:
    if request.param == "folder":
        return open_bucket(StorageSettings(), root=tmp_path / "kept")
    return open_bucket(s3_server.storage(f"bucket-{os.urandom(6).hex()}"), root=None)


@pytest.fixture(params=["plain", "sealed"])
def objects(request: pytest.FixtureRequest, bucket: Bucket) -> Objects:
    return Objects(bucket, KEYS if request.param == "sealed" else Keyring())


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound"
    path.write_bytes(SOUND)
    return path


async def read(objects: Objects, name: str = NAME) -> bytes:
    found = await objects.open(name)
    assert found is not None
    return await found.read(0, found.size)


async def names(objects: Objects, prefix: str = "") -> set[str]:
    return {stored.name async for stored in objects.list(prefix)}


async def test_what_is_put_is_there_whole_and_in_parts(objects: Objects, sound: Path) -> None:
    assert await objects.put(NAME, sound) == Placed(len(SOUND), hashlib.sha256(SOUND).hexdigest())
    found = await objects.open(NAME)
    assert found is not None
    assert found.size == len(SOUND)
    assert found.modified > datetime(2020, 1, 1, tzinfo=UTC)
    for start, length in [(0, 1), (0, 65_536), (65_535, 2), (65_536, 131_072), (299_990, 500), (len(SOUND), 1)]:
        assert await found.read(start, length) == SOUND[start : start + length]
    assert b"".join([piece async for piece in found.stream(100)]) == SOUND[100:]
    stored = await objects.head(NAME)
    assert stored is not None
    assert stored.size == objects.stored_size(len(SOUND))
    assert await names(objects) == {NAME} == await names(objects, "main")
    assert await names(objects, "other") == set()


async def test_what_is_large_is_streamed(objects: Objects, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(12_000_000))
    placed = await objects.put(NAME, large)
    assert placed.sha256 == hashlib.sha256(large.read_bytes()).hexdigest()
    assert await objects.measured(NAME) == placed
    found = await objects.open(NAME)
    assert found is not None
    # A thousand listeners may have one each.
    assert max([len(piece) async for piece in found.stream()]) <= 2 * PIECE_SIZE


async def test_whoever_reads_slowly_gets_all_of_it(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has a time limit, so that a bucket which hangs is noticed; a listener has all the time."""
    storage, content = s3_server.storage(f"slow-{os.urandom(6).hex()}"), os.urandom(24_000_000)
    await Objects(open_bucket(storage, root=None), Keyring()).put(NAME, content)
    monkeypatch.setattr("switchhook.objects.bucket._TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr("switchhook.objects.bucket._RETRIES", {"max_retries": 0})
    found = await Objects(open_bucket(storage, root=None), Keyring()).open(NAME)
    assert found is not None
    pieces = list[bytes]()
    async for piece in found.stream(5):
        if len(pieces) in {1, 40}:
            await asyncio.sleep(1.2)
        pieces.append(piece)
    assert b"".join(pieces) == content[5:]


@pytest.mark.parametrize("content", [b"", b"x"])
async def test_little_is_stored_too(objects: Objects, content: bytes) -> None:
    await objects.put(NAME, content)
    assert await read(objects) == content


async def test_what_is_not_there_is_none_and_deleting_it_no_error(objects: Objects) -> None:
    assert await objects.open(NAME) is None
    assert await objects.head(NAME) is None
    assert await objects.measured(NAME) is None
    await objects.delete(NAME)
    assert await read_card(objects, "main", RecordingName("260514120000_46", 1, 1)) is None


async def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(objects: Objects, sound: Path) -> None:
    await objects.put(NAME, sound)
    found = await objects.open(NAME)
    assert found is not None
    await objects.put(NAME, bytes(300_001))
    with pytest.raises(ObjectDamaged):
        await found.read(0, found.size)


async def test_a_writer_that_fails_leaves_nothing(bucket: Bucket) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(6_000_000)
        raise ObjectDamaged("it changed while it was stored")

    with pytest.raises((ObjectsError, OSError)):
        await bucket.put(NAME, pieces())
    assert [stored.name async for stored in bucket.list("")] == []
    if bucket.root is not None:
        assert [path for path in bucket.root.rglob("*") if path.is_file()] == []


async def test_what_changes_on_its_way_to_the_storage_is_noticed_and_removed(s3_server: S3Server) -> None:
    storage = s3_server.storage(f"changed-{os.urandom(6).hex()}")
    async with relay_to(s3_server.url) as way:
        way.is_slow, way.damage = False, b"what was said"
        objects = open_objects(Settings(storage=storage.model_copy(update={"endpoint": way.url})))
        with pytest.raises(ObjectDamaged, match="gives back something else"):
            await objects.put(NAME, b"... what was said ...")
        assert await objects.open(NAME) is None
        await objects.put(NAME, b"... and what was not ...")


async def test_a_sealed_object_cannot_be_read_without_us(bucket: Bucket, sound: Path) -> None:
    await Objects(bucket, KEYS).put(NAME, sound)
    raw = await Objects(bucket, Keyring()).head(NAME)
    assert raw is not None
    begun = await bucket.begin(NAME, raw.size)
    assert begun is not None
    assert SOUND[:64] not in begun[1]


async def test_keys_rotate_and_a_key_that_is_deleted_makes_its_objects_unreadable(bucket: Bucket) -> None:
    before = Objects(bucket, replace(KEYS, current="old"))
    await before.put("main/old.mp3", b"old")
    rotated = Objects(bucket, KEYS)
    await rotated.put("main/new.mp3", b"new")
    await Objects(bucket, Keyring()).put("main/plain.mp3", b"plain")
    assert [await read(rotated, f"main/{name}.mp3") for name in ("old", "new", "plain")] == [b"old", b"new", b"plain"]

    without = Objects(bucket, Keyring("new", {"new": KEYS.key("new")}))
    assert await read(without, "main/new.mp3") == b"new"
    with pytest.raises(KeyMissing, match='the key "old"'):
        await without.open("main/old.mp3")
    await without.delete("main/old.mp3")
    assert await names(without) == {"main/new.mp3", "main/plain.mp3"}


async def test_a_damaged_sealed_object_is_noticed(bucket: Bucket) -> None:
    objects = Objects(bucket, KEYS)
    await objects.put(NAME, SOUND)
    begun = await bucket.begin(NAME, objects.stored_size(len(SOUND)))
    assert begun is not None
    await bucket.put(NAME, begun[1][:-1] + bytes([begun[1][-1] ^ 1]))
    assert await objects.measured(NAME) is None
    found = await objects.open(NAME)
    assert found is not None
    assert await found.read(0, 10) == SOUND[:10]
    with pytest.raises(ObjectDamaged):
        await found.read(299_990, 10)


async def test_a_card_stands_beside_its_mp3_and_says_when_it_is_gone(objects: Objects) -> None:
    name = RecordingName("260514120000_46", 1, 1)
    assert (object_name("main", name), card_name("main", name)) == (NAME, f"{NAME}.json")
    await write_card(objects, "main", name, CARD)
    assert isinstance(await read_card(objects, "main", name), Card)
    gone = Gone(at=CARD.started_at, reason=GoneReason.PURGED)
    await write_card(objects, "main", name, gone)
    # Without any key: a recording that nobody can read any more is still known to be gone.
    assert await read_card(Objects(objects._bucket, Keyring()), "main", name) == gone


async def test_only_what_everybody_can_read_has_an_address_at_the_storage(bucket: Bucket) -> None:
    plain, sealed = Objects(bucket, Keyring()), Objects(bucket, KEYS)
    await plain.put("main/a.mp3", SOUND)
    await sealed.put("main/b.mp3", SOUND)
    a, b = await plain.open("main/a.mp3"), await sealed.open("main/b.mp3")
    assert a is not None
    assert b is not None
    assert await sealed.presigned(b, timedelta(minutes=1)) is None
    address = await plain.presigned(a, timedelta(minutes=1))
    if bucket.root is not None:
        assert address is None
        return
    assert address is not None
    async with aiohttp.ClientSession() as http, http.get(address) as response:
        assert await response.read() == SOUND


async def test_a_server_that_is_away_and_a_bucket_that_is_not_there_are_told_apart(s3_server: S3Server) -> None:
    storage = s3_server.storage("there")
    elsewhere = open_bucket(storage.model_copy(update={"url": "s3://nowhere"}), root=None)
    with pytest.raises(ObjectsRefused, match="does not exist"):
        await elsewhere.put(NAME, b"x")
    away = open_bucket(storage.model_copy(update={"endpoint": "http://127.0.0.1:9"}), root=None)
    with pytest.raises(ObjectsUnreachable, match="does not answer"):
        await away.head(NAME)


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    bucket = open_bucket(StorageSettings(), root=tmp_path)
    with pytest.raises(OSError, match="No space left") as full, open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123 - a device
        device.write(b"x")
    assert isinstance(bucket._translated(full.value), ObjectsFull)


async def test_drafts_of_killed_writers_are_swept_when_nobody_writes_them_any_more(tmp_path: Path) -> None:
    objects = open_objects(Settings(data_dir=tmp_path))
    assert objects.root is not None
    folder = objects.root / "main"
    folder.mkdir(parents=True)
    old, young, honest = folder / "a.mp3#1", folder / "b.mp3#12", folder / "c#d.mp3"
    older = folder / ".a.mp3.part"
    for path in (old, young, honest, older):
        path.write_bytes(b"x")
        os.utime(path, (1_000_000, 1_000_000))
    os.utime(young)
    await objects.sweep_drafts()
    assert sorted(path.name for path in folder.iterdir()) == ["b.mp3#12", "c#d.mp3"]


@pytest.mark.parametrize("afterwards", ["put", "delete"])
async def test_what_a_killed_writer_left_of_an_object_goes_with_its_next_writer(
    tmp_path: Path, afterwards: str
) -> None:
    objects = open_objects(Settings(data_dir=tmp_path))
    assert objects.root is not None
    folder = objects.root / "main"
    command = (sys.executable, "-c", _ENDLESS_WRITER, str(objects.root), NAME)
    writers = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    await eventually(lambda: len(list(folder.glob("*#*"))) == len(writers), within=20)
    for writer in writers:
        writer.kill()
        await writer.wait()
    if afterwards == "put":
        await objects.put(NAME, b"x")
    else:
        await objects.delete(NAME)
    assert [path.name for path in folder.iterdir()] == [NAME.removeprefix("main/")] * (afterwards == "put")


_ENDLESS_WRITER = """
import signal, sys, obstore
from obstore.store import LocalStore
def pieces():
    yield bytes(12_000_000)
    signal.pause()
    yield b""
obstore.put(LocalStore(sys.argv[1], mkdir=True), sys.argv[2], pieces())
"""
