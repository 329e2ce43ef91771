"""The search of the acceptance tests' logs finds what it is for, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.acceptance.discretion import indiscretions, secrets_of

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[admin]
token = "open-sesame"
[[pbx]]
client_secret = "secret-of-the-pbx"
[[endpoint]]
url = "https://ann:passw0rd-of-ann@crm.example/hooks"
headers = { Authorization = "Basic abcdefgh" }
"""
NUMBERS = {"0602999888"}


@pytest.mark.parametrize(
    "fact",
    [
        "GET /webapi/recording/1.mp3?r=crm&sig=AbCdEf123456",
        "Authorization: Bearer abc",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "open-sesame is wrong",
        "client_secret: secret-of-the-pbx",
        "ann:passw0rd-of-ann@crm.example",
        "Basic abcdefgh",
        "[Ann]_202-0602999888_20260302(12).wav",
        "x" * 700,
        {"Event": "ringing", "Callerid": "1"},
    ],
)
def test_what_must_not_be_logged_is_found(fact: object, tmp_path: Path) -> None:
    secrets = secrets_of(CONFIG, {}, [tmp_path])
    assert indiscretions([orjson.dumps({"fact": fact}).decode()], numbers=NUMBERS, secrets=secrets)


def test_tokens_that_processes_keep_are_secrets(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "main.json").write_bytes(orjson.dumps({"token": {"value": "token-of-the-pbx"}}))
    (tmp_path / "link.key").write_text("key-of-all-links\n")
    secrets = secrets_of("", {"SWITCHHOOK_STORAGE__SECRET_KEY": "key-of-the-bucket"}, [tmp_path])
    assert secrets == {"token-of-the-pbx", "key-of-all-links", "key-of-the-bucket"}


def test_what_may_be_logged_is_let_through() -> None:
    lines = [
        '{"event":"call.ended","number":"*******888","call_id":"260302090000_12","trace_id":"0af7651916cd43dd"}',
        '{"event":"link.refused","link":"/webapi/recording/1.mp3?r=crm&sig=***"}',
        "2026-03-02 Traceback (most recent call last):",
    ]
    assert indiscretions(lines, numbers=NUMBERS, secrets={"open-sesame"}) == []
