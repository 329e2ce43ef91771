"""One HTTP attempt: a request goes out, a `Response` or a `Failure` comes back. Knows nothing of schedules or tables.

Each endpoint has its own pool of connections, so that a slow one takes nothing from another. Redirects are not
followed, nothing is decompressed, and what an answer may cost is bounded in time and in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.resolver import DefaultResolver
from yarl import URL

import switchhook
from services.dispatcher.connector import GuardedConnector, Peer, peer_of_attempt
from services.dispatcher.faults import failure, redacted
from services.dispatcher.guard import ForbiddenAddress
from services.dispatcher.outcome import Failure, Response
from services.dispatcher.proxied import ProxiedTargets
from services.dispatcher.signing import signature_headers

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from aiohttp.abc import AbstractResolver

    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats import HttpRequest
    from switchhook.events import EventId

USER_AGENT = f"Switchhook/{switchhook.__version__}"
# Below the 5 s after which common servers close an idle connection: a request must not meet a closing one.
KEEP_ALIVE = timedelta(seconds=4)
HEADER_LIMIT = 8 * 1024  # bytes of the status line, and of one header
MOST_HEADERS = 100
BODY_READ = 64 * 1024  # bytes; whoever sends more loses the connection
BODY_KEPT = 16 * 1024  # bytes
# The outcome is known with the status: the body is only for people, and not worth holding back a call's next event.
BODY_PATIENCE = timedelta(seconds=2)


class Connections:
    """The pool of one endpoint; an async context manager. At most `limit` attempts should be under way at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_timeout: timedelta,
        limit: int,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._access = endpoint.access
        self._headers = {name.lower(): value for name, value in endpoint.headers.items()} | {
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
        }
        if self._access.authorization:
            self._headers["authorization"] = self._access.authorization
        self._limit = limit
        self._connect_timeout = connect_timeout
        self._resolver = resolver
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self._targets: ProxiedTargets | None = None

    async def __aenter__(self) -> Connections:
        resolver = self._resolver
        if resolver is None:
            resolver = DefaultResolver()
            self._stack.push_async_callback(resolver.close)
        if self._access.proxy is not None:
            self._targets = ProxiedTargets(
                resolver, allowed=self._access.allowed, patience=min(self._connect_timeout, self._endpoint.timeout)
            )
        self._session = await self._stack.enter_async_context(self._new_session(resolver))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def attempt(
        self, request: HttpRequest, *, event_id: EventId, now: datetime, traceparent: str = ""
    ) -> Response | Failure:
        """Send the request once. The receiver is told `now` as its time, and the `traceparent` if there is one."""
        signed = signature_headers(event_id, int(now.timestamp()), request.body, self._endpoint.keys)
        headers = {**self._headers, **request.headers, **signed}
        if traceparent:
            headers["traceparent"] = traceparent
        peer = Peer()
        token = peer_of_attempt.set(peer)
        try:
            return await self._exchange(request, headers, peer)
        except (aiohttp.ClientError, ForbiddenAddress, TimeoutError, OSError, ValueError) as error:
            return failure(error, address=peer.address)
        finally:
            peer_of_attempt.reset(token)

    async def _exchange(self, request: HttpRequest, headers: dict[str, str], peer: Peer) -> Response:
        if self._session is None:
            raise RuntimeError("the connections are not open")
        url = URL(request.url, encoded=True)
        if self._targets is not None:
            await self._targets.demand_allowed(url.host or "")
        async with self._session.request(
            request.method,
            url,
            data=request.body,
            headers=headers,
            allow_redirects=False,
            proxy=self._access.proxy,
        ) as response:
            beginning, read = await _beginning(response)
            text = beginning.decode(errors="replace")
            return Response(
                status=response.status,
                retry_after=response.headers.get("retry-after"),
                webhook_delivery=response.headers.get("webhook-delivery"),
                excerpt="" if response.ok else redacted(text),
                body=redacted(text, BODY_KEPT) if text else "",
                body_bytes=read,
                address=peer.address,
            )

    def _new_session(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        connect = self._connect_timeout.total_seconds()
        session = aiohttp.ClientSession(
            connector=GuardedConnector(
                resolver=resolver,
                # A proxy's address is the operator's own choice; where it leads is checked by name.
                allowed=self._access.allowed if self._access.proxy is None else None,
                tls=self._access.tls or True,
                limit=self._limit,
                keep_alive=KEEP_ALIVE,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=self._endpoint.timeout.total_seconds(), connect=connect, sock_connect=connect
            ),
            auto_decompress=False,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=MOST_HEADERS,
        )
        session._retry_connection = False  # noqa: SLF001 - else a GET that fails is sent twice in one attempt
        return session


async def _beginning(response: aiohttp.ClientResponse) -> tuple[bytes, int]:
    """What is kept of the body, and how many bytes of it were read.

    A body that is too long, drips or breaks off costs the connection and nothing else.
    """
    content = response.content
    if content.at_eof():
        return b"", 0
    kept, read = bytearray(), 0
    with suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(BODY_PATIENCE.total_seconds()):
            while not content.at_eof() and read <= BODY_READ:
                piece = await content.readany()
                read += len(piece)
                kept += piece[: BODY_KEPT - len(kept)]
    if not content.at_eof():
        response.close()
    return bytes(kept), read
