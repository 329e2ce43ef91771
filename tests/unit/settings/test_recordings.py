"""`[storage]` and `[recorder]`: what is taken, and the sentence for what is not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from switchhook.settings import masked
from tests.unit.settings.configuration import PBX, load, problems

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[storage]\nurl = "/srv"',
            'url: must be "file:" (data_dir/recordings), "file:///path" or "s3://bucket/prefix"',
        ),
        ('[storage]\nurl = "s3://"', 'url: must be like "s3://bucket/prefix": the server and its keys stand elsewhere'),
        ('[storage]\nregion = "eu"', 'region: only "s3://…" has one: remove it, or change url'),
        (
            '[storage]\nurl = "s3://bucket"\naccess_key = "a"',
            "secret_key: is missing: access_key and secret_key go together",
        ),
        ('[storage]\nencryption_key = "a"', 'encryption_key: "a" is an unknown key (known: none)'),
        (
            '[storage]\nencryption_keys = { a = "a", b = "b" }',
            "encryption_key: is missing: say which of the encryption_keys encrypts new recordings",
        ),
        (
            '[storage]\nencryption_keys = { "a b" = "a" }',
            'encryption_keys: "a b" is no id of a key: letters, digits, ".", "-" and "_", at most 24',
        ),
    ],
)
def test_what_is_wrong_with_the_storage(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [f"storage.{problem}"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('source = "folder"', 'folder: is missing: the source "folder" needs the PBX\'s folder of recordings'),
        ('folder = "/srv"', 'folder: only the source "folder" has one: set source = "folder", or remove it'),
        ('quota = "much"', 'quota: must be a size in quotes, such as "50GB"'),
        ('retention_by_pbx = { mian = "1d" }', "retention_by_pbx.mian: is an unknown PBX (did you mean main?)"),
    ],
)
def test_what_is_wrong_with_the_recorder(tmp_path: Path, keys: str, problem: str) -> None:
    assert problems(tmp_path, f"{PBX}\n[recorder]\n{keys}") == [f"recorder.{problem}"]


def test_a_bucket_with_its_secrets_in_files(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("AKIA\n")
    (tmp_path / "secret").write_text("hush\n")
    text = """
[storage]
url = "s3://bucket/switchhook"
endpoint = "http://127.0.0.1:9000"
access_key_file = "id"
secret_key_file = "secret"
encryption_keys = { "2026" = "key" }
"""
    storage = load(tmp_path, text).storage
    assert storage.access_key is not None
    assert storage.secret_key is not None
    assert (storage.access_key.get_secret_value(), storage.secret_key.get_secret_value()) == ("AKIA", "hush")
    assert storage.encryption_keys == {"2026": tmp_path / "key"}
    assert (storage.is_s3, storage.current_key) == (True, "2026")
    assert "hush" not in masked(load(tmp_path, text))


def test_how_long_recordings_stay(tmp_path: Path) -> None:
    text = f"""{PBX}
[recorder]
quota = "50GB"
retention_by_pbx = {{ main = "30d" }}
retention_by_direction = {{ outbound = "7d" }}
retention_by_did = {{ "Hot line" = "1d" }}
"""
    recorder = load(tmp_path, text).recorder
    assert recorder.quota == 50_000_000_000
    assert recorder.retention_by_pbx == {"main": timedelta(days=30)}
    assert recorder.retention_by_direction == {"outbound": timedelta(days=7)}
    assert recorder.retention_by_did == {"Hot line": timedelta(days=1)}
