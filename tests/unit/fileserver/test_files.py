"""From a name to an open file, and never to another one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from services.fileserver.files import folder_names, open_file
from switchhook.links import RecordingName

if TYPE_CHECKING:
    from pathlib import Path

NAME = RecordingName.parse("260514140000_46-1-1.mp3")
assert NAME is not None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "main").mkdir(parents=True)
    (folder / "main" / str(NAME)).write_bytes(b"audio")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / str(NAME)).write_bytes(b"secret")
    return folder


def content(root: Path, pbx: str) -> bytes | None:
    assert NAME is not None
    found = open_file(root, pbx, NAME)
    if found is None:
        return None
    try:
        return found.read(0, 100)
    finally:
        found.close()


def test_a_recording_is_found_in_its_pbx_folder(root: Path) -> None:
    assert content(root, "main") == b"audio"
    assert content(root, "other") is None


def test_every_pbx_has_a_folder(root: Path, tmp_path: Path) -> None:
    (root / "stray file").write_text("no folder")
    (root / "linked").symlink_to(tmp_path / "secret")
    (root / "branch").mkdir()
    assert folder_names(root) == ["branch", "main"]
    assert folder_names(tmp_path / "nowhere") == []


def test_a_missing_root_is_an_absent_recording(tmp_path: Path) -> None:
    assert content(tmp_path / "nowhere", "main") is None


@pytest.mark.parametrize("pbx", ["..", ".", "../secret", "main/../../secret", "/", "main\0"])
def test_a_folder_outside_the_root_is_never_entered(root: Path, pbx: str) -> None:
    assert content(root, pbx) is None


@pytest.mark.parametrize("pbx", ["linked"])
def test_a_linked_folder_is_not_followed(root: Path, tmp_path: Path, pbx: str) -> None:
    (root / "main" / str(NAME)).unlink()
    (root / "linked").symlink_to(tmp_path / "secret")
    assert content(root, pbx) is None


def test_a_linked_file_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "main" / str(NAME)).unlink()
    (root / "main" / str(NAME)).symlink_to(tmp_path / "secret" / str(NAME))
    assert content(root, "main") is None


def test_only_a_regular_file_is_a_recording(root: Path) -> None:
    (root / "main" / str(NAME)).unlink()
    os.mkfifo(root / "main" / str(NAME))
    assert content(root, "main") is None


def test_another_content_has_another_time(root: Path) -> None:
    assert NAME is not None
    path = root / "main" / str(NAME)
    tags = set()
    for moment in (1_000_000_000, 1_000_000_001):
        os.utime(path, ns=(moment, moment))
        found = open_file(root, "main", NAME)
        assert found is not None
        tags.add(found.changed)
        found.close()
    assert len(tags) == 2
