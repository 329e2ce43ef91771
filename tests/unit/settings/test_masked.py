"""What can be shown of the configuration, and what is risky in it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from switchhook.settings import masked, risks
from switchhook.settings.masked import toml_value
from tests.unit.settings.configuration import ENDPOINT, PBX, load

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = (
    PBX
    + ENDPOINT.replace("https://crm", "https://user:url-secret@crm").replace("hooks", "hooks?key=query-secret")
    + 'headers = { X-Key = "header-secret" }\n[fileserver]\nlink_secret = "link-secret-0123456789"\n'
)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    shown = masked(load(tmp_path, SECRETS))
    assert "-secret" not in shown.replace("client-secret", "")
    assert 'client_secret = "********"' in shown


def test_the_password_of_the_database_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql://switchhook:db-secret@db:5432/switchhook"
    shown = masked(load(tmp_path, f'{PBX}[database]\nurl = "{url}"'))
    assert tomllib.loads(shown)["database"]["url"] == "postgresql://switchhook:********@db:5432/switchhook"


def test_what_is_shown_is_toml_that_can_be_loaded_again(tmp_path: Path) -> None:
    settings = load(tmp_path, PBX + ENDPOINT + "titles = {}\n[recorder]\nretention = '1500ms'")
    again = load(tmp_path, masked(settings))
    assert again.model_copy(update={"pbx": ()}) == settings.model_copy(update={"pbx": ()})


def test_a_secret_from_a_file_is_shown_as_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    shown = masked(load(tmp_path, PBX.replace('client_secret = "pbx-secret"', 'client_secret_file = "secret"')))
    (entry,) = tomllib.loads(shown)["pbx"]
    assert entry["client_secret_file"] == str(tmp_path / "secret")
    assert "client_secret" not in entry


@pytest.mark.parametrize("text", ['a "quoted" \\ one', "two\nlines\t\x7f", "ž"])
def test_every_text_survives(text: str) -> None:
    assert tomllib.loads(f"value = {toml_value(text)}")["value"] == text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (PBX + ENDPOINT + "[fileserver]\nlinks = 'open'\npublic_url = 'https://a.example'", "fileserver.links"),
        (PBX + ENDPOINT + "[fileserver]\npublic_url = 'http://a.example'", "fileserver.public_url"),
        (PBX + ENDPOINT, "fileserver.public_url"),
        (
            PBX + ENDPOINT.replace("post", "standard") + "[fileserver]\npublic_url = 'https://a.example'",
            "endpoint[0].secret",
        ),
        (ENDPOINT + "[fileserver]\npublic_url = 'https://a.example'", "pbx"),
        (PBX + "[fileserver]\npublic_url = 'https://a.example'", "endpoint"),
        (
            PBX + ENDPOINT + "[dispatcher]\ntimeout = '60s'\n[fileserver]\npublic_url = 'https://a.example'",
            "dispatcher.timeout",
        ),
    ],
)
def test_a_risk_is_said_with_its_path(tmp_path: Path, text: str, path: str) -> None:
    assert [risk.partition(":")[0] for risk in risks(load(tmp_path, text))] == [path]


def test_a_careful_configuration_has_no_risk(tmp_path: Path) -> None:
    text = PBX + ENDPOINT + "[fileserver]\npublic_url = 'https://recordings.example.com'"
    assert list(risks(load(tmp_path, text))) == []
