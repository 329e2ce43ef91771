"""Keys that say how an endpoint is reached: what excludes what, and what is never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dispatcher.access import access_risks
from switchhook.settings import masked
from tests.unit.settings.configuration import ENDPOINT, PBX, load, problems

if TYPE_CHECKING:
    from pathlib import Path

BASIC = 'username = "us"\npassword = "top-secret"\n'
BEARER = 'bearer = "top-secret"\n'


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (BASIC + BEARER, "bearer: cannot be combined with username and password: remove one of them"),
        ('username = "us"', "password: is missing: give password or password_file"),
        ('password = "x"', "username: is missing: username and password go together"),
        ('username = "a:b"\npassword = "x"', 'username: must be printable and without ":"'),
        (
            BEARER + 'headers = { authorization = "x" }',
            "headers: also sets Authorization, as bearer does: remove one of them",
        ),
        (
            BASIC + 'headers = { Authorization = "x" }',
            "headers: also sets Authorization, as username does: remove one of them",
        ),
        (
            BEARER + 'recording_url = "https://us:pw@crm.example/"',
            "recording_url: also sets Authorization, as bearer does: remove one of them",
        ),
        (
            'recording_url = "https://us:pw@crm.example/"\nheaders = { Authorization = "x" }',
            "recording_url: also sets Authorization, as headers does: remove one of them",
        ),
        (
            "recording_url = 'https://crm.example\\@127.0.0.1/'",
            "recording_url: must not contain a backslash: write %5C",
        ),
        (
            'bearer = "Bearer abc"',
            "bearer: must be printable ASCII without spaces: the token alone, without the word Bearer",
        ),
        ('client_key = "here.pem"', "client_cert: is missing: client_key needs it"),
        ('ca_file = "gone.pem"', "ca_file: cannot read {folder}/gone.pem: no such file, or no right to read it"),
        ('proxy = "socks5://x"', "proxy: must be http or https, such as https://crm.example.com/hooks"),
        (
            'proxy = "http://proxy.example/path"',
            "proxy: must be a plain address such as http://user:password@proxy.example.com:3128",
        ),
        (
            'allow_private = ["192.168.1.20/24"]',
            'allow_private[0]: must be a network such as "192.168.1.0/24": 192.168.1.20/24 has host bits set',
        ),
    ],
)
def test_what_does_not_fit_together_is_a_sentence(tmp_path: Path, keys: str, problem: str) -> None:
    (tmp_path / "here.pem").write_text("x")
    assert problems(tmp_path, PBX + ENDPOINT + keys) == [f"endpoint[0].{problem.format(folder=tmp_path)}"]


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "password").write_text("def\n")
    settings = load(
        tmp_path,
        PBX
        + ENDPOINT
        + 'bearer_file = "token"\n'
        + ENDPOINT.replace("crm", "other")
        + 'username = "us"\npassword_file = "password"\n',
    )
    first, second = settings.endpoint
    assert first.bearer is not None
    assert first.bearer.get_secret_value() == "abc"
    assert second.password is not None
    assert second.password.get_secret_value() == "def"


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    proxied = 'proxy = "http://us:top-secret@proxy.example:3128"\n'
    tables = PBX + ENDPOINT + BASIC + proxied + ENDPOINT.replace("crm", "other") + BEARER
    settings = load(tmp_path, tables)
    assert "top-secret" not in masked(settings)
    assert "top-secret" not in repr(settings)
    assert 'proxy = "http://us:********@proxy.example:3128"' in masked(settings)


@pytest.mark.parametrize(
    ("url", "keys", "warning"),
    [
        ("https://crm.example.com/", "", None),
        ("https://8.8.8.8/", "", None),
        (
            "http://192.168.1.20:8080/hooks",
            "",
            'endpoint crm: 192.168.1.20 is a private address: allow it with allow_private = ["192.168.1.20/32"]',
        ),
        ("http://192.168.1.20/", 'allow_private = ["192.168.0.0/16"]', None),
        (
            "http://[fd00::1]/",
            "",
            'endpoint crm: fd00::1 is a private address: allow it with allow_private = ["fd00::1/128"]',
        ),
        (
            "http://localhost/",
            'allow_private = ["127.0.0.0/8"]',
            'endpoint crm: localhost is ::1, a loopback address: allow it with allow_private = ["::1/128"]',
        ),
        ("http://localhost/", 'allow_private = ["127.0.0.0/8", "::1/128"]', None),
    ],
)
def test_an_address_that_is_refused_is_a_warning(tmp_path: Path, url: str, keys: str, warning: str | None) -> None:
    settings = load(tmp_path, PBX + ENDPOINT.replace("https://crm.example.com/hooks", url) + keys)
    assert list(access_risks(settings)) == ([] if warning is None else [warning])
