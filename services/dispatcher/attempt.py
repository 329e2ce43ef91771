"""One HTTP attempt: a request goes out, a `Response` or a `Failure` comes back. Knows nothing of schedules or tables.

Each endpoint has its own pool of connections, so that a slow one takes nothing from another. Redirects are not
followed, nothing is decompressed, and what an answer may cost is bounded in time and in memory.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpProcessingError
from aiohttp.resolver import DefaultResolver
from yarl import URL

import switchhook
from services.dispatcher.connector import GuardedConnector, Peer, peer_of_attempt
from services.dispatcher.exchange import BODY_KEPT, Exchanges
from services.dispatcher.faults import failure, redacted
from services.dispatcher.guard import ForbiddenAddress
from services.dispatcher.outcome import Failure, Response
from services.dispatcher.proxied import ProxiedTargets
from services.dispatcher.signing import signature_headers
from switchhook.telemetry.traceparent import parse_traceparent

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
        self._exchanges: Exchanges | None = None
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
        connector = self._connector(resolver)
        self._stack.push_async_callback(connector.close)
        self._exchanges = Exchanges(
            connector,
            timeout=self._endpoint.timeout,
            connect_timeout=self._connect_timeout,
            proxy=self._access.proxy,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def attempt(
        self, request: HttpRequest, *, event_id: EventId, now: datetime, traceparent: str = ""
    ) -> Response | Failure:
        """Send the request once. The receiver is told `now` as its time, and the `traceparent` if it is one."""
        signed = signature_headers(event_id, int(now.timestamp()), request.body, self._endpoint.keys)
        headers = {**self._headers, **request.headers, **signed}
        if parse_traceparent(traceparent) is not None:
            headers["traceparent"] = traceparent
        peer = Peer()
        token = peer_of_attempt.set(peer)
        try:
            return await self._exchange(request, headers)
        except (aiohttp.ClientError, HttpProcessingError, ForbiddenAddress, TimeoutError, OSError, ValueError) as error:
            return failure(error, address=peer.address)
        finally:
            peer_of_attempt.reset(token)

    async def _exchange(self, request: HttpRequest, headers: dict[str, str]) -> Response:
        if self._exchanges is None:
            raise RuntimeError("the connections are not open")
        url = URL(request.url, encoded=True)
        if self._targets is not None:
            await self._targets.demand_allowed(url.host or "")
        answer = await self._exchanges.exchange(request, url, headers)
        text = answer.beginning.decode(errors="replace")
        is_refusal = answer.status >= HTTPStatus.BAD_REQUEST
        return Response(
            status=answer.status,
            retry_after=answer.headers.get("retry-after"),
            webhook_delivery=answer.headers.get("webhook-delivery"),
            excerpt=redacted(text) if is_refusal and text else "",
            body=redacted(text, BODY_KEPT) if text else "",
            body_bytes=answer.read,
            address=answer.peer,
        )

    def _connector(self, resolver: AbstractResolver) -> GuardedConnector:
        return GuardedConnector(
            resolver=resolver,
            # A proxy's address is the operator's own choice; where it leads is checked by name.
            allowed=self._access.allowed if self._access.proxy is None else None,
            tls=self._access.tls or True,
            limit=self._limit,
            keep_alive=KEEP_ALIVE,
        )
