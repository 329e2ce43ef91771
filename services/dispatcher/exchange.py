"""One HTTP/1.1 exchange: a request goes out in one piece; the head of its answer and the body's beginning come back.

Uses aiohttp's connector, which keeps connections, resolves, encrypts and tunnels, and aiohttp's parser, but not its
session: cookies, redirects, compression and streamed bodies, of which a webhook has none, cost half of a request.
Nothing is sent twice: a kept connection that turns out to be closed is a failure.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from services.dispatcher.connector import left, used
from services.dispatcher.wire import written

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

    from services.dispatcher.connector import GuardedConnector
    from services.dispatcher.formats import HttpRequest

HEADER_LIMIT = 8 * 1024  # bytes of the status line, and of one header
MOST_HEADERS = 100
BODY_READ = 64 * 1024  # bytes; whoever sends more loses the connection
BODY_KEPT = 16 * 1024  # bytes
# The outcome is known with the status: the body is only for people, and not worth holding back a call's next event.
BODY_PATIENCE = 2.0  # seconds

_MOST_DESTINATIONS = 1000  # a template can make a name of its own for every event
_INTERIM = range(100, 200)
_SWITCHING = 101


@dataclass(frozen=True, slots=True)
class Answer:
    """`beginning` is what is kept of the body, `read` how many bytes of it came; `peer` is `ip:port`."""

    status: int
    headers: Mapping[str, str]
    beginning: bytes
    read: int
    peer: str


@dataclass(frozen=True, slots=True)
class _Destination:
    """`way` is all that the connector wants to know of it, and is never sent; `headers` are those that it brings."""

    way: aiohttp.ClientRequest
    headers: Mapping[str, str]
    is_told_whole: bool


class Exchanges:
    """Of one endpoint: `timeout` is for the whole of one, `connect_timeout` for its connection alone."""

    def __init__(
        self, connector: GuardedConnector, *, timeout: timedelta, connect_timeout: timedelta, proxy: str | None
    ) -> None:
        """Must be called on the event loop; `proxy` may hold credentials."""
        self._loop = asyncio.get_running_loop()
        self._connector = connector
        self._timeout = timeout.total_seconds()
        connect = min(connect_timeout, timeout).total_seconds()
        self._connecting = aiohttp.ClientTimeout(connect=connect, sock_connect=connect)
        self._proxy = None if proxy is None else URL(proxy)
        self._destinations: dict[tuple[str, str], _Destination] = {}

    async def exchange(self, request: HttpRequest, url: URL, headers: Mapping[str, str]) -> Answer:
        """Send the request to `url`, which is its own, with these headers and those that HTTP demands.

        Raises what aiohttp raises, TimeoutError, OSError, and ValueError for what cannot be sent.
        """
        destination = self._destination(url)
        deadline = self._loop.time() + self._timeout
        connection = await self._connect(destination.way)
        try:
            peer = used(connection)
            protocol = _send(connection, _bytes(request, url, headers, destination))
            # A timer of our own is half of what `asyncio.timeout` costs; all that is waited for is the protocol.
            timer = self._loop.call_at(deadline, protocol.set_exception, TimeoutError("no answer in time"))
            try:
                message, content = await _head(protocol)
            finally:
                timer.cancel()
            beginning, read = await _beginning(content, until=min(deadline, self._loop.time() + BODY_PATIENCE))
            answer = Answer(message.code, message.headers, beginning, read, peer)
        except BaseException:
            _drop(connection)
            raise
        _leave(connection, is_read=content.is_eof())
        return answer

    def _destination(self, url: URL) -> _Destination:
        key = url.scheme, url.raw_authority
        destination = self._destinations.get(key)
        if destination is None:
            if url.scheme not in {"http", "https"} or not url.raw_host:
                raise aiohttp.InvalidURL(url)
            if len(self._destinations) >= _MOST_DESTINATIONS:
                self._destinations.clear()
            way = aiohttp.ClientRequest("POST", url.origin(), loop=self._loop, proxy=self._proxy)
            headers = {"host": way.headers["host"], "accept": "*/*"}
            if url.raw_user is not None or url.raw_password is not None:
                headers["authorization"] = aiohttp.encode_basic_auth(url.user or "", url.password or "")
            is_told_whole = self._proxy is not None and not way.is_ssl()
            destination = self._destinations[key] = _Destination(way, headers, is_told_whole)
        return destination

    async def _connect(self, way: aiohttp.ClientRequest) -> Connection:
        try:
            return await self._connector.connect(way, [], self._connecting)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error


def _bytes(request: HttpRequest, url: URL, headers: Mapping[str, str], destination: _Destination) -> bytes:
    target, own = url.raw_path_qs, destination.headers
    if destination.is_told_whole:  # a proxy wants the whole address, and its own credentials
        target = str(url.with_user(None).with_fragment(None))
        if credentials := destination.way.headers.get("proxy-authorization"):
            own = {**own, "proxy-authorization": credentials}
    return written(request.method, target, {**own, **headers}, request.body)


def _send(connection: Connection, data: bytes) -> ResponseHandler:
    """Write the request, and give what its answer comes from."""
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        read_until_eof=True,
        auto_decompress=False,
        max_line_size=HEADER_LIMIT,
        max_field_size=HEADER_LIMIT,
        max_headers=MOST_HEADERS,
    )
    protocol.transport.write(data)
    return protocol


async def _head(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    while True:
        message, content = await protocol.read()
        if message.code not in _INTERIM or message.code == _SWITCHING:
            return message, content


async def _beginning(content: aiohttp.StreamReader, *, until: float) -> tuple[bytes, int]:
    """What is kept of the body, and how many bytes of it were read until then, of the loop's clock.

    A body that is too long, drips or breaks off costs the connection and nothing else.
    """
    if content.at_eof():
        return b"", 0
    kept, read = bytearray(), 0
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout_at(until):
            while not content.at_eof() and read <= BODY_READ:
                piece = await content.readany()
                read += len(piece)
                kept += piece[: BODY_KEPT - len(kept)]
    return bytes(kept), read


def _leave(connection: Connection, *, is_read: bool) -> None:
    """Keep the connection for the next exchange, if nothing of this one is left in it."""
    transport = connection.transport
    if is_read and transport is not None and not transport.get_write_buffer_size():
        left(connection)
    else:
        _drop(connection)


def _drop(connection: Connection) -> None:
    """Close it now: else what a peer does not take of a request would be kept for as long as it likes."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()
