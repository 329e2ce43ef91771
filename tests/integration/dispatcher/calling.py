"""One attempt at an endpoint, without the rest of a dispatcher; and servers that answer with bytes of our choice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver

from services.dispatcher.attempt import Connections
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.formats.request import HttpRequest
from switchhook.events import EventId
from switchhook.settings import DispatcherSettings, EndpointSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiohttp.abc import ResolveResult

    from services.dispatcher.outcome import Failure, Response

    Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

EVENT_ID = EventId("main-230307114903_10-1")
LOOPBACK = ("127.0.0.0/8",)


class ScriptedResolver(AbstractResolver):
    """Answers every look-up with the next answer, the last one again and again, and counts them."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next answer. Raises OSError when that is empty."""
        self.asked.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not addresses:
            raise OSError(None, "no such name")
        families = {False: socket.AF_INET, True: socket.AF_INET6}
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": families[":" in address],
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def receiver_of(url: str, **keys: Any) -> Endpoint:
    """The endpoint of such a table."""
    table = EndpointSettings.model_validate(
        {"name": "crm", "url": url, "format": "post", "allow_private": LOOPBACK, "timeout": "5s", **keys}
    )
    return Endpoint.from_settings(table, DispatcherSettings())


@contextlib.asynccontextmanager
async def connected(endpoint: Endpoint, *, resolver: AbstractResolver | None = None) -> AsyncIterator[Connections]:
    """The connections of the endpoint, none of them made yet."""
    async with Connections(endpoint, connect_timeout=timedelta(seconds=3), limit=8, resolver=resolver) as connections:
        yield connections


async def send(connections: Connections, url: str, *, method: str = "POST", body: bytes = b"{}") -> Response | Failure:
    """Make one attempt."""
    request = HttpRequest(
        method="GET" if method == "GET" else "POST",
        url=url,
        headers={"content-type": "application/json"},
        body=None if method == "GET" else body,
    )
    return await connections.attempt(request, event_id=EVENT_ID, now=datetime.now(UTC))


async def attempt_at(url: str, *, resolver: AbstractResolver | None = None, **keys: Any) -> Response | Failure:
    """One attempt over a connection of its own."""
    async with connected(receiver_of(url, **keys), resolver=resolver) as connections:
        return await send(connections, url)


@contextlib.asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that plays the script on every connection; gives its port."""
    playing: set[asyncio.Task[None]] = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        playing.add(task)
        try:
            await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone: it is what it should do
        finally:
            playing.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(play, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(playing):
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
