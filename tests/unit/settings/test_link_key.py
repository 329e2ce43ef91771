"""The key that signs recording links."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from switchhook.errors import ConfigError
from switchhook.settings import FileserverSettings, Settings
from switchhook.settings.link_key import link_key

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "var")
    first = link_key(settings)
    assert link_key(settings) == first
    assert len(first.secret) == 32
    assert stat.S_IMODE((tmp_path / "var" / "links.key").stat().st_mode) == 0o600


def test_all_who_ask_at_once_get_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: link_key(settings), range(16)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["links.key"]


def test_the_configured_secret_needs_no_file(tmp_path: Path) -> None:
    secret = FileserverSettings(link_secret=SecretStr("a shared secret of all replicas"))
    key = link_key(Settings(data_dir=tmp_path, fileserver=secret))
    assert key.secret == b"a shared secret of all replicas"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "links.key").write_text("not hex")
    with pytest.raises(ConfigError, match="holds no link key"):
        link_key(Settings(data_dir=tmp_path))


def test_a_place_that_cannot_keep_a_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"fileserver\.link_secret"):
        link_key(Settings(data_dir=tmp_path / "file"))
