"""Endpoints that misbehave as servers can: each costs one attempt, within its timeout and bounded memory."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.attempt import KEEP_ALIVE
from services.dispatcher.exchange import BODY_KEPT, BODY_READ
from services.dispatcher.outcome import Failure, Reason, Response
from tests.deadline import eventually
from tests.integration.dispatcher.calling import connected, receiver_of, send, serving

if TYPE_CHECKING:
    from asyncio import StreamReader as Reader
    from asyncio import StreamWriter as Writer

    from tests.integration.dispatcher.calling import Script

TIMEOUT = 1.0  # seconds
SLACK = 3.0  # seconds: two loaded cores
MEMORY = 6 * 1024 * 1024  # bytes, of the server in this process too


async def request(reader: Reader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().splitlines():
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))


def says(*pieces: bytes, pause: float = 0.0, then_close: bool = False) -> Script:
    """Answers a request with these pieces, then waits for the client to go, or closes."""

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if not then_close:
            await reader.read()

    return script


def repeats(beginning: bytes, piece: bytes, *, pause: float = 0.0, times: int | None = None) -> Script:
    """Answers with the beginning and then the piece, without end or so many times."""

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(beginning)
        for _ in itertools.count() if times is None else range(times):
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)

    return script


async def silent(reader: Reader, writer: Writer) -> None:
    """Takes the request and says nothing."""
    await reader.read()


async def deaf(reader: Reader, writer: Writer) -> None:
    """Does not even take the request."""
    await asyncio.sleep(60)


OK = b"HTTP/1.1 200 OK\r\n"
UNDER_WAY = 1024 * 1024  # bytes that came before the limit was noticed
MEBIBYTE = b"x" * 1024 * 1024
BOMB = gzip.compress(bytes(32 * 1024 * 1024), compresslevel=9)

FAILING: dict[str, tuple[Script, set[Reason]]] = {
    "headers that never end, in drips": (repeats(OK + b"x: ", b"y", pause=0.02), {Reason.TIMEOUT}),
    "headers that never end, many": (repeats(OK, b"x-header: y\r\n" * 50), {Reason.PROTOCOL}),
    "one header that never ends": (repeats(OK + b"x: ", b"y" * 4096), {Reason.PROTOCOL}),
    "a header of 100 kB": (says(OK + b"x: " + b"y" * 100_000 + b"\r\n\r\n"), {Reason.PROTOCOL}),
    "closes in mid-status": (says(b"HTTP/1.1 20", then_close=True), {Reason.DISCONNECTED}),
    "closes without a word": (says(then_close=True), {Reason.DISCONNECTED}),
    "closes in mid-header": (says(OK + b"content-le", then_close=True), {Reason.DISCONNECTED, Reason.PROTOCOL}),
    "a status line that never ends": (repeats(b"HTTP/1.1 200 ", b"O" * 4096), {Reason.PROTOCOL}),
    "no HTTP": (says(b"220 mail.example.com ESMTP\r\n"), {Reason.PROTOCOL}),
    "a status without meaning": (says(b"HTTP/1.1 abc Hm\r\n\r\n"), {Reason.PROTOCOL}),
    "HTTP/0.9": (says(b"<html>welcome</html>\n", then_close=True), {Reason.PROTOCOL, Reason.DISCONNECTED}),
    "interim answers without end": (repeats(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100), {Reason.PROTOCOL}),
    "interim answers, one by one": (repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.02), {Reason.TIMEOUT}),
    "two lengths": (
        says(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc"),
        {Reason.PROTOCOL},
    ),
    "silence": (silent, {Reason.TIMEOUT}),
    "a deaf endpoint": (deaf, {Reason.TIMEOUT}),
}

ANSWERING: dict[str, tuple[Script, int]] = {
    "a body in drips": (repeats(OK + b"content-length: 100000\r\n\r\n", b"y", pause=0.02), 200),
    "a body that stops": (says(OK + b"content-length: 100000\r\n\r\nabc"), 200),
    "a body that breaks off": (says(OK + b"content-length: 100000\r\n\r\nabc", then_close=True), 200),
    "1 GiB with a length": (repeats(OK + b"content-length: 1073741824\r\n\r\n", MEBIBYTE, times=1024), 200),
    "1 GiB in chunks": (
        repeats(OK + b"transfer-encoding: chunked\r\n\r\n", b"100000\r\n" + MEBIBYTE + b"\r\n", times=1024),
        200,
    ),
    "1 GiB until it closes": (repeats(b"HTTP/1.0 500 No\r\n\r\n", MEBIBYTE, times=1024), 500),
    "chunks of one byte": (repeats(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000), 200),
    "a redirect loop": (says(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"), 302),
    "a gzip bomb": (
        says(OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB),
        200,
    ),
    "another protocol from now on": (
        repeats(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", MEBIBYTE, times=1024),
        101,
    ),
}


async def cost(script: Script, *, method: str) -> tuple[Response | Failure, int, float, int]:
    """What an attempt comes to, how many requests it made, how long it took (seconds), and its memory (bytes)."""
    requests = 0

    async def counted(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1
        await script(reader, writer)

    async with serving(counted) as port:
        url = f"http://127.0.0.1:{port}/"
        body = b"x" * 1_000_000 if script is deaf else b"{}"
        async with connected(receiver_of(url, timeout=f"{TIMEOUT:.0f}s")) as connections:
            tracemalloc.start()
            try:
                began = time.monotonic()
                result = await send(connections, url, method=method, body=body)
                return result, requests, time.monotonic() - began, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()


# A client may repeat a GET by itself when the connection closes: it must not.
CASES = [(name, "POST") for name in FAILING] + [(name, "GET") for name in FAILING if name.startswith("closes")]


@pytest.mark.parametrize(("name", "method"), CASES)
async def test_what_is_no_answer_costs_one_attempt(name: str, method: str) -> None:
    script, reasons = FAILING[name]
    result, requests, took, memory = await cost(script, method=method)

    assert isinstance(result, Failure), result
    assert result.reason in reasons, result
    assert result.address.startswith("127.0.0.1:")
    assert requests == 1
    assert took < TIMEOUT + SLACK
    assert memory < MEMORY


@pytest.mark.parametrize("name", ANSWERING)
async def test_an_answer_counts_whatever_comes_after_its_headers(name: str) -> None:
    script, status = ANSWERING[name]
    result, requests, took, memory = await cost(script, method="POST")

    assert isinstance(result, Response), result
    assert result.status == status
    assert len(result.body) <= BODY_KEPT
    assert result.body_bytes < BODY_READ + UNDER_WAY
    assert requests == 1
    assert took < TIMEOUT + SLACK
    assert memory < MEMORY


async def test_nothing_is_decompressed() -> None:
    result, *_ = await cost(ANSWERING["a gzip bomb"][0], method="POST")
    assert isinstance(result, Response)
    assert result.body_bytes == len(BOMB)


async def test_answers_on_an_idle_connection_cost_the_connection() -> None:
    flooded = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.write(OK + b"content-length: 0\r\n\r\n")
        await asyncio.sleep(0.1)
        try:
            while True:
                writer.write((OK + b"content-length: 0\r\n\r\n") * 1000)
                await writer.drain()
        finally:
            flooded.set()

    async with serving(script) as port:
        url = f"http://127.0.0.1:{port}/"
        async with connected(receiver_of(url)) as connections:
            assert isinstance(await send(connections, url), Response)
            tracemalloc.start()
            try:
                await eventually(flooded.is_set, within=KEEP_ALIVE.total_seconds() - 1)
                assert tracemalloc.get_traced_memory()[1] < MEMORY
            finally:
                tracemalloc.stop()


async def test_a_connection_that_was_told_too_much_is_not_used_again() -> None:
    peers = []

    async def script(reader: Reader, writer: Writer) -> None:
        peers.append(writer.get_extra_info("peername"))
        while True:
            await request(reader)
            writer.write((OK + b"content-length: 0\r\n\r\n") * 2)

    async with serving(script) as port:
        url = f"http://127.0.0.1:{port}/"
        async with connected(receiver_of(url)) as connections:
            for _ in range(3):
                assert isinstance(await send(connections, url), Response)
    assert len(peers) == 3


async def test_nothing_is_kept_for_an_endpoint_that_does_not_take_its_requests() -> None:
    async with serving(deaf) as port:
        url = f"http://127.0.0.1:{port}/"
        async with connected(receiver_of(url, timeout="1s")) as connections:
            result = await send(connections, url, body=b"x" * 16_000_000)
            assert isinstance(result, Failure)
            await eventually(lambda: not open_to(port), within=2, message="the request still waits to be sent")


def open_to(port: int) -> list[str]:
    """The connections to a port of this machine that a process still holds."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return [line[1] for line in lines if line[2].endswith(f":{port:04X}") and line[9] != "0"]


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_that_of_the_next_request() -> None:
    """A server that answers twice, the second time when the connection is idle: what follows would be lost."""
    peers = []
    is_idle, has_spoken = asyncio.Event(), asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        peers.append(writer.get_extra_info("peername"))
        await request(reader)
        if len(peers) > 1:
            writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
            await reader.read()
        writer.write(OK + b"content-length: 0\r\n\r\n")
        await is_idle.wait()
        writer.write(OK + b"content-length: 0\r\n\r\n")
        has_spoken.set()
        await request(reader)

    async with serving(script) as port:
        url = f"http://127.0.0.1:{port}/"
        async with connected(receiver_of(url)) as connections:
            assert isinstance(await send(connections, url), Response)
            is_idle.set()
            await has_spoken.wait()
            await asyncio.sleep(0.05)  # what is in the socket is read by this very event loop, in its next rounds
            result = await send(connections, url)
    assert isinstance(result, Response)
    assert (result.status, len(peers)) == (500, 2)


async def test_a_connection_is_used_again_while_it_behaves() -> None:
    peers = []

    async def script(reader: Reader, writer: Writer) -> None:
        peers.append(writer.get_extra_info("peername"))
        while True:
            await request(reader)
            writer.write(OK + b"content-length: 5\r\n\r\nhello")

    async with serving(script) as port:
        url = f"http://127.0.0.1:{port}/"
        async with connected(receiver_of(url)) as connections:
            for _ in range(3):
                assert await send(connections, url) == Response(
                    status=200, body="hello", body_bytes=5, address=f"127.0.0.1:{port}"
                )
    assert len(peers) == 1


@pytest.mark.parametrize(
    ("script", "reason"), [(silent, Reason.TIMEOUT), (says(b"no TLS"), Reason.TIMEOUT)], ids=["silent", "waiting"]
)
async def test_a_handshake_without_end_is_a_timeout(script: Script, reason: Reason) -> None:
    async with serving(script) as port:
        url = f"https://127.0.0.1:{port}/"
        async with connected(receiver_of(url, timeout="1s")) as connections:
            result = await send(connections, url)
    assert isinstance(result, Failure)
    assert result.reason is reason
