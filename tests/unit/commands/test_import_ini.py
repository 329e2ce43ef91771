"""The old plug-ins' settings as a `switchhook.toml`."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from services.commands.conversion import ConvertedEndpoint
from services.commands.import_ini import converted_configuration, read_old_settings
from services.commands.ini import decode_text, is_true, parse_ini, parse_users
from services.commands.internal_targets import said_of_names
from services.dispatcher.access import access_risks
from services.dispatcher.guard import objections
from switchhook.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path


def converted(folder: Path, files: dict[str, bytes]) -> tuple[Settings, str, list[str]]:
    """The settings that the converted text loads as, the text, and the warnings."""
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    old = [read_old_settings(folder / name) for name in files if name.endswith(".ini")]
    text, warnings = converted_configuration(old)
    path = folder / "switchhook.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, {}), text, warnings


def test_one_address_with_posts(tmp_path: Path) -> None:
    raw = b"WEBHOOK_POST_ENABLED = true\r\nWEBHOOK_URL = https://crm.example.com/hook\r\n"
    settings, text, warnings = converted(tmp_path, {"WebhooksApi.ini": raw})
    (endpoint,) = settings.endpoint
    assert (endpoint.format, endpoint.url) == ("post", "https://crm.example.com/hook")
    assert endpoint.recording_url is None
    assert endpoint.events is None
    assert warnings == []
    assert text.count("# fill in") == 2


@pytest.mark.parametrize("line", ["HTTP_REQUEST_METHOD_POST = 0", "POST=0", "WEBHOOK_POST_ENABLED=false", ""])
def test_without_post_it_is_get(tmp_path: Path, line: str) -> None:
    raw = f"WEBHOOK_URL = https://crm.example.com/hook?key=1\n{line}\n".encode()
    settings, _, _ = converted(tmp_path, {"WebhooksApi.ini": raw})
    assert settings.endpoint[0].format == "get"
    assert settings.endpoint[0].url == "https://crm.example.com/hook?key=1"


def test_the_larger_plug_in_has_three_pairs_of_addresses(tmp_path: Path) -> None:
    ini = b"""\xef\xbb\xbf[General]
; where call events go
webhook_url=https://crm.example.com/calls ; the main one
WEBHOOK_POST_URL = "https://crm.example.com/recordings"
POST=1
RECORDING_FULL_INFO=1
WEBHOOK_URL_2 = https://second.example.com/calls
WEBHOOK_POST_URL_2 = https://second.example.com/recordings
[Monitor]
# a copy of everything
WEBHOOK_URL_MONITOR = https://mirror.example.com/calls
WEBHOOK_POST_URL_MONITOR = https://mirror.example.com/recordings
RECORDS_DAYS = 45
SERVER_PORT = 5484
"""
    users = b"Extension;Name\r\n101;Alice\r\n102;Bob\r\n"
    settings, text, warnings = converted(tmp_path, {"TCXWebAPI.ini": ini, "Users.csv": users})
    crm, second, mirror = settings.endpoint
    assert (crm.name, crm.url, crm.recording_url) == (
        "crm",
        "https://crm.example.com/calls",
        "https://crm.example.com/recordings",
    )
    assert crm.recording_details
    assert crm.users == ()
    assert (second.url, second.users) == ("https://second.example.com/calls", ("101", "102"))
    assert (mirror.name, mirror.url, mirror.users) == ("mirror", "https://mirror.example.com/calls", ())
    assert settings.recorder.retention.days == 45
    assert warnings == ["TCXWebAPI.ini: unknown key SERVER_PORT: it is listed at the end, and not taken over"]
    assert "#   TCXWebAPI.ini: SERVER_PORT" in text


def test_second_addresses_without_a_list_of_users_are_warned_of(tmp_path: Path) -> None:
    raw = b"WEBHOOK_URL=https://a.example/\nWEBHOOK_URL_2=https://b.example/\n"
    settings, _, warnings = converted(tmp_path, {"TCXWebAPI.ini": raw})
    assert settings.endpoint[1].users == ()
    assert "no Users.csv beside it" in warnings[0]


def test_only_an_address_for_recordings_gets_only_recordings(tmp_path: Path) -> None:
    settings, _, _ = converted(tmp_path, {"TCXWebAPI.ini": b"WEBHOOK_URL=\nWEBHOOK_POST_URL=https://a.example/r\n"})
    assert (settings.endpoint[0].url, settings.endpoint[0].events) == ("https://a.example/r", ("recording",))


def test_an_empty_address_for_recordings_gets_none(tmp_path: Path) -> None:
    settings, _, _ = converted(tmp_path, {"TCXWebAPI.ini": b"WEBHOOK_URL=https://a.example/\nWEBHOOK_POST_URL=\n"})
    assert settings.endpoint[0].events == ("ringing", "dialing", "started", "ended")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("crm.example.com/hook", "https://crm.example.com/hook"),
        ("https://crm.example.com/a b", "https://crm.example.com/a%20b"),
        ("https://", "https://crm.example.com/fill-in"),
        ("http://crm.example.com:port/", "https://crm.example.com/fill-in"),
    ],
)
def test_what_is_no_address_still_makes_a_configuration_that_loads(tmp_path: Path, written: str, url: str) -> None:
    settings, _, _ = converted(tmp_path, {"WebhooksApi.ini": f"WEBHOOK_URL={written}\n".encode()})
    assert settings.endpoint[0].url == url


def test_several_files_share_one_configuration(tmp_path: Path) -> None:
    files = {"WebhooksApi.ini": b"WEBHOOK_URL=https://a.example/", "TCXWebAPI.ini": b"WEBHOOK_URL=https://b.example/"}
    settings, _, _ = converted(tmp_path, files)
    assert [endpoint.name for endpoint in settings.endpoint] == ["crm", "crm-2"]


def test_a_file_without_an_address_is_said(tmp_path: Path) -> None:
    settings, _, warnings = converted(tmp_path, {"WebhooksApi.ini": b"nonsense\n"})
    assert settings.endpoint == ()
    assert "no WEBHOOK_URL" in warnings[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_the_encodings_of_windows(encoding: str) -> None:
    assert decode_text("NAME=Müller".encode(encoding)) == "NAME=Müller"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=value", "value"),
        ("  key  =  value  ", "value"),
        ('KEY="a ; b" ; why', "a ; b"),
        ("KEY='x'", "x"),
        ("KEY=https://x.example/a;b#c", "https://x.example/a;b#c"),
        ("KEY=a=b", "a=b"),
        ("KEY= ; nothing", ""),
        ('KEY="unfinished', '"unfinished'),
    ],
)
def test_a_line_is_a_key_and_a_value(line: str, value: str) -> None:
    assert parse_ini(line) == {"KEY": value}


@pytest.mark.parametrize("line", ["", "; KEY=x", "# KEY=x", "[KEY]", "KEY"])
def test_other_lines_say_nothing(line: str) -> None:
    assert parse_ini(line) == {}


def test_users_are_the_first_numbers_of_their_lines() -> None:
    assert parse_users("ext,name\n101,Alice 7\nBob\t102\n\n101;again") == ("101", "102")


@pytest.mark.parametrize(("written", "meant"), [("1", True), ("True", True), ("yes", True), ("0", False), ("", False)])
def test_flags(written: str, meant: bool) -> None:
    assert is_true(written) is meant


@pytest.mark.parametrize(
    ("written", "networks"),
    [
        ("http://192.168.1.20/hook", ["192.168.1.20/32"]),
        ("http://127.0.0.1:8080/hook", ["127.0.0.1/32"]),
        ("http://[fd12:3456::20]/hook", ["fd12:3456::20/128"]),
        ("http://localhost:8080/hook", ["127.0.0.1/32", "::1/128"]),
        ("http://169.254.169.254/latest", []),
        ("http://198.51.0.1/hook", []),
        ("https://crm.example.com/hook", []),
    ],
)
def test_an_internal_address_stays_reachable_and_nothing_beside_it(
    tmp_path: Path, written: str, networks: list[str]
) -> None:
    settings, text, _ = converted(tmp_path, {"WebhooksApi.ini": f"WEBHOOK_URL={written}\n".encode()})
    (endpoint,) = settings.endpoint
    assert [str(network) for network in endpoint.allow_private] == networks
    assert list(access_risks(settings)) == [] or "metadata" in next(access_risks(settings))
    assert ("# The address is internal" in text) == bool(networks)


def test_the_address_for_recordings_is_allowed_too(tmp_path: Path) -> None:
    raw = b"WEBHOOK_URL=http://10.0.0.5/calls\nWEBHOOK_POST_URL=http://10.0.0.6/recordings\n"
    settings, _, _ = converted(tmp_path, {"TCXWebAPI.ini": raw})
    assert [str(network) for network in settings.endpoint[0].allow_private] == ["10.0.0.5/32", "10.0.0.6/32"]


async def test_of_a_name_that_leads_inside_the_key_is_said() -> None:
    """By real look-ups of this machine's own name, and of one that nobody has."""
    name = socket.gethostname()
    addresses = {info[4][0] for info in socket.getaddrinfo(name, None)}
    if not any(list(objections(ip_address(address))) for address in addresses):
        pytest.skip("this machine's own name leads to public addresses")
    endpoints = [
        ConvertedEndpoint(name="crm", url=f"http://{name}/", recording_url="", format="get"),
        ConvertedEndpoint(name="lost", url="http://nobody.invalid/", recording_url="", format="get"),
    ]
    [sentence] = await asyncio.to_thread(said_of_names, endpoints)
    assert sentence.startswith(f"endpoint crm: {name} is ")
    assert "allow_private = [" in sentence


def test_a_damaged_file_becomes_a_configuration_that_loads(tmp_path: Path) -> None:
    """A key that holds control characters is listed in a comment, where TOML forbids them."""
    raw = b"WEBHOOK_URL=https://crm.example.com/hook\n\x00\x1b[31mKEY\x01=1\n"
    settings, text, warnings = converted(tmp_path, {"WebhooksApi.ini": raw})
    assert settings.endpoint[0].url == "https://crm.example.com/hook"
    assert "#   WebhooksApi.ini: ??[31MKEY?" in text
    assert any("unknown key ??[31MKEY?" in warning for warning in warnings)
