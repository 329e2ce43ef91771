"""One HTTP attempt: a request goes out, a `Response` or a `Failure` comes back. Knows nothing of schedules or tables.

Each endpoint has its own pool of connections, so that a slow one takes nothing from another. Redirects are not
followed; of an answer's body at most 64 KiB are read, and only a short redacted piece of a refusal is kept.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

import switchhook
from services.dispatcher.outcome import Failure, Reason, Response
from switchhook.telemetry.redaction import redacted as without_secrets

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats import HttpRequest
    from switchhook.events import EventId

USER_AGENT = f"Switchhook/{switchhook.__version__}"
BODY_LIMIT = 64 * 1024  # bytes
EXCERPT_LENGTH = 160  # characters
# Below the 5 s after which common servers close an idle connection: a request must not meet a closing one.
KEEP_ALIVE = timedelta(seconds=4)

_LONG_NUMBER = re.compile(r"\d{2,}(?=\d{3})")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")


class Connections:
    """The pool of one endpoint; an async context manager. At most `limit` attempts should be under way at once."""

    def __init__(self, endpoint: Endpoint, *, connect_timeout: timedelta, limit: int) -> None:
        self._headers = {name.lower(): value for name, value in endpoint.headers.items()} | {
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
        }
        self._limit = limit
        connect = connect_timeout.total_seconds()
        self._timeout = aiohttp.ClientTimeout(
            total=endpoint.timeout.total_seconds(), connect=connect, sock_connect=connect
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Connections:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, keepalive_timeout=KEEP_ALIVE.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def attempt(
        self, request: HttpRequest, *, event_id: EventId, now: datetime, traceparent: str = ""
    ) -> Response | Failure:
        """Send the request once. The receiver is told `now` as its time, and the `traceparent` if there is one."""
        if self._session is None:
            raise RuntimeError("the connections are not open")
        headers = {
            **self._headers,
            **request.headers,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if traceparent:
            headers["traceparent"] = traceparent
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                refused = not response.ok
                return Response(
                    status=response.status,
                    retry_after=response.headers.get("retry-after"),
                    excerpt=redacted(body.decode(errors="replace")) if refused else "",
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Failure(reason=_reason(error), detail=redacted(_sentence(error)))


def redacted(text: str) -> str:
    """A short piece of foreign text, without what may be a secret or a telephone number."""
    beginning = without_secrets(text[: 4 * EXCERPT_LENGTH])
    printable = "".join(character if character.isprintable() else " " for character in beginning)
    words = _LONG_WORD.sub("…", " ".join(printable.split()))
    return _LONG_NUMBER.sub("…", words)[:EXCERPT_LENGTH]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of the body. A longer body closes the connection, a shorter one leaves it usable."""
    first = await response.content.readany()
    read = len(first)
    while not response.content.at_eof():
        read += len(await response.content.readany())
        if read > BODY_LIMIT:
            response.close()
            break
    return first[:BODY_LIMIT]


def _sentence(error: Exception) -> str:
    """The error's own words, without the address: that may hold secrets in its query."""
    match error:
        case aiohttp.ClientResponseError(message=message):
            return message
        case aiohttp.InvalidURL():
            return ""
        case _:
            return str(error) or type(error).__name__


def _reason(error: Exception) -> Reason:
    match error:
        case TimeoutError():
            return Reason.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Reason.DNS
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return Reason.TLS
        case aiohttp.ClientConnectorError():
            return Reason.CONNECT
        case aiohttp.InvalidURL():
            return Reason.INVALID_URL
        case aiohttp.ClientError() | ConnectionError():
            return Reason.DISCONNECTED
        case OSError():
            return Reason.CONNECT
        case _:
            return Reason.INVALID_URL
