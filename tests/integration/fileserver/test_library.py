"""What is found for a name: files, objects that are encrypted, what is gone, and never anything else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from services.fileserver.library import Library, Recording
from switchhook.errors import KeyMissing
from switchhook.links import RecordingName
from switchhook.objects import Gone, GoneReason, Keyring, Objects, object_name, write_card
from switchhook.objects.bucket import open_bucket
from switchhook.settings import StorageSettings

if TYPE_CHECKING:
    from pathlib import Path

NAME = RecordingName("260514140000_46", 1, 1)
KEYS = Keyring("k", {"k": b"k" * 32})
SOUND = bytes(range(256)) * 1000


def library(root: Path, keyring: Keyring = KEYS) -> tuple[Objects, Library]:
    objects = Objects(open_bucket(StorageSettings(), root=root), keyring)
    return objects, Library(objects, ["main", "second"])


@pytest.mark.parametrize("keyring", [KEYS, Keyring()])
@pytest.mark.parametrize("pbx", ["second", ""])
async def test_a_recording_is_found_with_and_without_its_pbx(tmp_path: Path, keyring: Keyring, pbx: str) -> None:
    objects, found_in = library(tmp_path, keyring)
    await objects.put(object_name("second", NAME), SOUND)
    found = await found_in.find(pbx, NAME)
    assert isinstance(found, Recording)
    assert found.representation.size == len(SOUND)
    assert b"".join([piece async for piece in found.body.stream(70_000, 100)]) == SOUND[70_000:70_100]
    found.body.close()
    assert await found_in.find("main", NAME) is None


async def test_what_is_gone_is_known(tmp_path: Path) -> None:
    objects, found_in = library(tmp_path)
    gone = Gone(at=datetime(2026, 5, 14, tzinfo=UTC), reason=GoneReason.EXPIRED)
    await write_card(objects, "main", NAME, gone)
    assert await found_in.find("main", NAME) == gone
    assert await found_in.find("", NAME) == gone
    assert await library(tmp_path, Keyring())[1].find("main", NAME) == gone


async def test_what_is_said_to_be_gone_is_gone_although_it_could_not_be_deleted_yet(tmp_path: Path) -> None:
    objects, found_in = library(tmp_path)
    gone = Gone(at=datetime(2026, 5, 14, tzinfo=UTC), reason=GoneReason.PURGED)
    await objects.put(object_name("main", NAME), SOUND)
    await write_card(objects, "main", NAME, gone)
    assert await found_in.find("main", NAME) == gone


async def test_without_its_key_a_recording_is_an_error_and_not_absent(tmp_path: Path) -> None:
    objects, _ = library(tmp_path)
    await objects.put(object_name("main", NAME), SOUND)
    with pytest.raises(KeyMissing):
        await library(tmp_path, Keyring())[1].find("main", NAME)


@pytest.mark.parametrize("pbx", ["..", ".", "../kept/main", "main/..", "/", "%2e%2e", "main\0", "a" * 64, "ma in"])
async def test_an_open_link_leads_nowhere_else(tmp_path: Path, pbx: str) -> None:
    objects, found_in = library(tmp_path / "kept")
    await objects.put(object_name("main", NAME), SOUND)
    await Objects(open_bucket(StorageSettings(), root=tmp_path), KEYS).put(str(NAME), SOUND)
    assert await found_in.find(pbx, NAME) is None


async def test_a_storage_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    assert await library(tmp_path / "nowhere")[1].find("main", NAME) is None
