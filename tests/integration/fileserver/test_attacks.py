"""Attacks: whatever is asked, only an announced recording is served, and only to whom its link was made for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.fileserver.service import Fileserver
from switchhook.runtime.health import Health
from tests.deadline import eventually
from tests.integration.fileserver.conftest import AUDIO, PATH, Library
from tests.integration.fileserver.wire import fetch, send

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = "/webapi/recording/"
NAME = PATH.removeprefix(ROUTE)
SECRET = b"-- not a recording --"
PATHS = 10_000
BATCH = 500  # on one connection

_STEPS = (
    ".. . %2e%2e %2E%2e ..%2f %2f %5c \\ // / %00 %252e%252e ; ? # ~ ..;/ ..%c0%af %ef%bc%8e%ef%bc%8e ..%u2215 file:"
    f" * passwd main recordings links.key secret.txt fileserver.sqlite3 {NAME} {NAME}.json {NAME.upper()} {NAME[:-1]}"
).split()
_steps = st.sampled_from(_STEPS)
_text = st.text(st.characters(codec="ascii", exclude_characters=" \r\n\0"), max_size=30)
_paths = st.lists(_steps | _text.map(quote), max_size=6).map("".join)


@pytest.fixture
def treasure(library: Library) -> Library:
    """What must never be seen lies beside what may be."""
    (library.data_dir / "recordings" / "main" / "secret.txt").write_bytes(SECRET)
    (library.data_dir / "recordings" / "secret.txt").write_bytes(SECRET)
    (library.data_dir / "secret.txt").write_bytes(SECRET)
    return library


@pytest.mark.parametrize("links", ["open", "signed"])
async def test_ten_thousand_paths_give_nothing_but_announced_recordings(treasure: Library, links: str) -> None:
    written: list[str] = []

    @settings(max_examples=PATHS // 20, database=None, derandomize=True)
    @given(st.lists(_paths, min_size=20, max_size=20))
    def draw(paths: list[str]) -> None:
        written.extend(paths)

    draw()
    query = treasure.link().partition("?")[2]  # of the one link that is genuine; makes the key
    # Signed, every path is asked for with the signature of another one.
    written = [f"{path}?{query}" if links == "signed" and "?" not in path else path for path in written]
    secret = (treasure.data_dir / "links.key").read_bytes()
    async with treasure.serving(links=links) as port:
        for start in range(0, len(written), BATCH):
            raw = await _answers(port, written[start : start + BATCH])
            assert SECRET not in raw
            assert secret not in raw
            for status, target in zip(_statuses(raw), written[start : start + BATCH], strict=False):
                is_announced = _is_the_recording(target) and (links == "open" or target == f"{NAME}?{query}")
                assert (status == 200) == is_announced, target
    assert len(written) >= PATHS


async def _answers(port: int, targets: list[str]) -> bytes:
    """All answers, with heads only, in their order."""
    requests = [f"HEAD {ROUTE}{target} HTTP/1.1\r\nHost: x\r\n\r\n" for target in targets]
    requests.append("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(requests).encode("ascii"))
    answer = await asyncio.wait_for(reader.read(-1), 60)
    writer.close()
    return answer


def _statuses(raw: bytes) -> list[int]:
    return [int(head.split(b" ", 1)[0]) for head in raw.split(b"HTTP/1.1 ")[1:]]


def _is_the_recording(target: str) -> bool:
    return target.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0] == NAME


@pytest.mark.parametrize(
    "query",
    [
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig=",
        "pbx=main&to=crm&exp={exp}&kid={kid}",
        "pbx=main&to=other&exp={exp}&kid={kid}&sig={sig}",
        "pbx=branch&to=crm&exp={exp}&kid={kid}&sig={sig}",
        "pbx=main&to=crm&exp=99999999999&kid={kid}&sig={sig}",
        "pbx=main&to=crm&exp={exp}&kid=other&sig={sig}",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig={cut}",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig={sig}A",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig={sig}&sig={sig}",
        "pbx=main&pbx=branch&to=crm&exp={exp}&kid={kid}&sig={sig}",
        "PBX=main&to=crm&exp={exp}&kid={kid}&sig={sig}",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig=%00",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig={sig}%0d%0aX-Evil: 1",
        "pbx=main&to=crm&exp=0{exp}&kid={kid}&sig={sig}",
        "pbx=main&to=crm&exp={exp}&kid={kid}&sig=%C3%A4",
    ],
)
async def test_a_changed_query_opens_nothing(library: Library, query: str) -> None:
    async with library.serving() as port:
        genuine = dict(part.split("=", 1) for part in library.link().partition("?")[2].split("&"))
        sig = genuine["sig"]
        changed = query.format(exp=genuine["exp"], kid=genuine["kid"], sig=sig, cut=sig[:-1])
        answer = await fetch(port, f"{PATH}?{changed.replace(' ', '%20')}")
    assert answer.status == 403
    assert "x-evil" not in answer.headers


async def test_whoever_guesses_is_held_back_and_genuine_links_still_work(library: Library) -> None:
    async with library.serving() as port:
        statuses = [
            (await fetch(port, f"{PATH}?pbx=main&to=crm&exp=1&kid=x&sig={guess}")).status for guess in range(30)
        ]
        last = await fetch(port, PATH)
        genuine = await fetch(port, library.link())
    assert statuses == [403] * 20 + [429] * 10
    assert (last.status, last.error) == (429, "too_many")
    assert 0 < int(last.headers["retry-after"]) <= 62
    assert (genuine.status, genuine.body) == (200, AUDIO)


async def test_a_proxy_that_is_not_trusted_cannot_name_another_address(library: Library) -> None:
    async with library.serving() as port:
        statuses = [(await fetch(port, PATH, X_Forwarded_For=f"203.0.113.{guess}")).status for guess in range(25)]
    assert statuses[-1] == 429


async def test_what_a_client_says_before_its_proxy_does_is_not_its_address(library: Library) -> None:
    """A proxy may add a line of its own (HAProxy does) instead of writing into the client's."""
    async with library.serving(trusted_proxies=("127.0.0.0/8",)) as port:
        lines = "X-Forwarded-For: 203.0.113.{guess}\r\nX-Forwarded-For: 198.51.100.1\r\nConnection: close\r\n"
        head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n{lines}\r\n"
        statuses = [(await send(port, head.format(guess=guess).encode())).status for guess in range(25)]
    assert statuses[-1] == 429


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
@pytest.mark.parametrize("date", [f"Sun, 06 Nov 1994 08:49:37 +{'9' * 30}", f"Sun, 06 Nov {'9' * 30} 08:49:37 GMT"])
async def test_a_date_that_is_none_is_ignored(library: Library, name: str, date: str) -> None:
    async with library.serving() as port:
        fields = f"Host: x\r\nConnection: close\r\nRange: bytes=0-9\r\n{name}: {date}\r\n"
        answer = await send(port, f"GET {library.link()} HTTP/1.1\r\n{fields}\r\n".encode())
    assert answer.status == (200 if name == "If-Range" else 206)


@pytest.mark.parametrize("raw", ["GET {link} x y HTTP/1.1\r\n\r\n", "GET {link}&{long} HTTP/1.1\r\n\r\n"])
async def test_no_signature_of_a_request_that_cannot_be_read_is_logged(
    library: Library, caplog: pytest.LogCaptureFixture, raw: str
) -> None:
    caplog.set_level("DEBUG")
    link = library.link()
    async with library.serving() as port:
        answer = await send(port, raw.format(link=link, long="a" * 9000).encode())
    assert answer.status == 400
    assert any(record.message == "request.unreadable" for record in caplog.records)
    assert not any(link.rpartition("sig=")[2][:8] in str(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize("name", ["Origin", "Range", "If-None-Match", "If-Range", "X-Forwarded-For", "Accept"])
async def test_no_header_comes_back_as_another_one(library: Library, name: str) -> None:
    async with library.serving(cors_origins=("https://crm.example.com",), trusted_proxies=("127.0.0.0/8",)) as port:
        raw = f"GET {library.link()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: a\rX-Evil: 1\r\n\r\n"
        answer = await send(port, raw.encode())
    assert "x-evil" not in answer.headers


async def test_a_flood_of_ranges_costs_no_more_than_the_file(library: Library) -> None:
    overlapping = ",".join("0-" for _ in range(10))
    many = ",".join(f"{2 * start}-{2 * start}" for start in range(500))
    async with library.serving() as port:
        answers = [await fetch(port, library.link(), Range=f"bytes={ranges}") for ranges in (overlapping, many)]
    assert [(answer.status, len(answer.body)) for answer in answers] == [(200, len(AUDIO))] * 2


async def test_two_fileservers_do_not_share_a_database_file(library: Library, tmp_path: Path) -> None:
    async with library.serving():
        second = Fileserver.from_settings(library.settings(), registry=CollectorRegistry())
        running = asyncio.create_task(second.run(Health().service("fileserver")))
        await eventually(running.done)
    assert "another process runs this service" in str(running.exception())
