"""What a person with a browser gets, and what a program gets at the same address."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from tests.integration.fileserver.conftest import AUDIO, PATH, Library
from tests.integration.fileserver.wire import fetch

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_the_player_and_the_player_the_recording(library: Library) -> None:
    await library.put(number="<script>alert(1)</script>")
    async with library.serving() as port:
        page = await fetch(port, library.link(), Accept=BROWSER)
        sources = [unescape(one) for one in re.findall(r'(?:src|href)="([^"#][^"]*)"', page.body.decode())]
        loaded = {source: await fetch(port, source if source.startswith("/") else PATH + source) for source in sources}
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<script>alert" not in page.body
    assert "&lt;script&gt;" in page.body.decode()
    assert b"1:23" in page.body
    assert len(sources) == 4
    assert {answer.status for answer in loaded.values()} == {200}
    audio = next(answer for source, answer in loaded.items() if "player=1" in source)
    download = next(answer for source, answer in loaded.items() if "download=1" in source)
    assert audio.body == download.body == AUDIO
    assert audio.headers["content-disposition"].startswith("inline")
    assert download.headers["content-disposition"] == f'attachment; filename="{PATH.rpartition("/")[2]}"'


async def test_the_pages_policy_lets_nothing_from_elsewhere_run(library: Library) -> None:
    async with library.serving() as port:
        page = await fetch(port, library.link(), Accept=BROWSER)
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert "connect-src" not in policy  # the player's script asks for nothing
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "audio/mpeg"},
        {"Accept": "audio/webm,audio/*;q=0.9,text/html;q=0.5"},
        {"Accept": BROWSER, "Range": "bytes=0-"},
        {"Accept": "text/html;q=0"},
        {"Accept": "text/html;q=nonsense"},
    ],
)
async def test_players_and_programs_get_the_recording(library: Library, headers: dict[str, str]) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), "GET", tls=None, **headers)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.body == AUDIO


async def test_an_expired_link_is_a_page_for_people_and_json_for_programs(library: Library) -> None:
    async with library.serving() as port:
        link = library.link(days=1)
        library.now += timedelta(days=2)
        page = await fetch(port, link, Accept=BROWSER)
        program = await fetch(port, link, Accept="application/json")
    assert (page.status, page.headers["content-type"]) == (410, "text/html; charset=utf-8")
    assert b"This link has expired" in page.body
    assert (program.status, program.error) == (410, "expired")


async def test_a_recording_without_a_card_still_has_a_page(library: Library) -> None:
    async with library.serving() as port:
        page = await fetch(port, library.link(), Accept=BROWSER)
    assert page.status == 200
    assert b"<audio" in page.body


async def test_what_the_page_loads_can_be_cached_and_nothing_else_is_there(library: Library) -> None:
    async with library.serving() as port:
        script = await fetch(port, "/webapi/player/player.js")
        others = [await fetch(port, f"/webapi/player/{name}") for name in ("", "player.html", "../app.py", "%2e%2e/x")]
        posted = await fetch(port, "/webapi/player/player.js", "POST")
    assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert {answer.status for answer in others} == {404}
    assert posted.status == 405


async def test_pages_of_allowed_origins_may_fetch_and_embed(library: Library) -> None:
    crm, other = "https://crm.example.com", "https://evil.example.com"
    async with library.serving(cors_origins=(crm,)) as port:
        asked = await fetch(
            port,
            library.link(),
            "OPTIONS",
            Origin=crm,
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="range",
        )
        fetched = await fetch(port, library.link(), Origin=crm, Range="bytes=0-0")
        refused = await fetch(port, PATH, Origin=crm)
        strange = await fetch(port, library.link(), Origin=other)
        page = await fetch(port, library.link(), Accept=BROWSER)
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, crm)
    assert "Range" in asked.headers["access-control-allow-headers"]
    assert fetched.headers["access-control-allow-origin"] == crm
    assert "Content-Range" in fetched.headers["access-control-expose-headers"]
    assert fetched.headers["vary"] == "Accept, Origin"
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (403, crm)
    assert "access-control-allow-origin" not in strange.headers
    assert f"frame-ancestors {crm}" in page.headers["content-security-policy"]


async def test_without_allowed_origins_no_page_may_fetch(library: Library) -> None:
    async with library.serving() as port:
        answer = await fetch(port, library.link(), Origin="https://crm.example.com")
        asked = await fetch(port, library.link(), "OPTIONS", Origin="https://x", Access_Control_Request_Method="GET")
    assert "access-control-allow-origin" not in answer.headers
    assert asked.status == 405
