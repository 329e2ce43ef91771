"""Makes connections, and only to addresses that the guard lets through; remembers which one an attempt used.

A name is resolved once: the addresses that were checked are those that are connected to. Every socket is checked again
when it is made, which covers addresses that stand in the url itself.
"""

from __future__ import annotations

import functools
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler

from services.dispatcher.guard import demand_allowed

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Sequence
    from datetime import timedelta

    from aiohttp.abc import ResolveResult
    from aiohttp.connector import Connection

    from services.dispatcher.guard import Network

# An honest server sends at most a few interim answers (1xx) before the answer.
MOST_ANSWERS = 16


class Peer:
    """The address that an attempt went to, as `ip:port`; empty while there is none."""

    __slots__ = ("address",)

    def __init__(self) -> None:
        self.address = ""


# One attempt is one task; what aiohttp starts for it inherits the variable.
peer_of_attempt: ContextVar[Peer | None] = ContextVar("peer_of_attempt", default=None)


class GuardedResolver(AbstractResolver):
    """Refuses a name when any of its addresses is refused."""

    def __init__(self, resolver: AbstractResolver, *, allowed: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of the name, all of them checked. Raises ForbiddenAddress, and OSError without an answer."""
        found = await self._resolver.resolve(host, port, family)
        demand_allowed(host, [each["host"] for each in found], self._allowed)
        return found

    async def close(self) -> None:
        """Close the resolver behind it."""
        await self._resolver.close()


class GuardedConnector(aiohttp.TCPConnector):
    """The connections of one endpoint; `allowed` None leaves the addresses to a forward proxy."""

    def __init__(
        self,
        *,
        resolver: AbstractResolver,
        allowed: Sequence[Network] | None,
        tls: ssl.SSLContext | bool,
        limit: int,
        keep_alive: timedelta,
    ) -> None:
        self._allowed = allowed
        super().__init__(
            ssl=tls,
            limit=limit,
            keepalive_timeout=keep_alive.total_seconds(),
            resolver=resolver if allowed is None else GuardedResolver(resolver, allowed=allowed),
            socket_factory=self._socket,
        )
        self._factory = cast("functools.partial[ResponseHandler]", functools.partial(_Answers, loop=self._loop))

    def _socket(self, address_info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        """The socket that is about to be connected to this address. Raises ForbiddenAddress."""
        family, kind, protocol, _, address = address_info
        if self._allowed is not None:
            demand_allowed(str(address[0]), [str(address[0])], self._allowed)
        _remember(_written(address))
        return socket.socket(family=family, type=kind, proto=protocol)


class _Answers(ResponseHandler):
    """Reads answers; a peer that sends more of them than anybody waits for loses its connection.

    Without this, interim answers without end would pile up without bound, and an answer that came while the connection
    was idle would be taken for that of the next request.
    """

    peer = ""  # `ip:port`
    is_idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = _written(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        if self.is_idle:
            if self.transport is not None:
                self.transport.abort()
            return
        super().data_received(data)
        if len(self._buffer) > MOST_ANSWERS:
            self._buffer.clear()
            self.set_exception(aiohttp.http.HttpProcessingError(message="answers without end"))
            if self.transport is not None:
                self.transport.abort()


def used(connection: Connection) -> str:
    """The attempt uses this connection; the address that it leads to, as `ip:port`."""
    peer = ""
    if isinstance(protocol := connection.protocol, _Answers):
        peer, protocol.is_idle = protocol.peer, False
    _remember(peer)
    return peer


def left(connection: Connection) -> None:
    """The attempt is over, and the next one may use the connection, unless the peer says anything before."""
    if isinstance(protocol := connection.protocol, _Answers):
        protocol.is_idle = True
    connection.release()


def _remember(address: str) -> None:
    peer = peer_of_attempt.get()
    if peer is not None and address:
        peer.address = address


def _written(address: tuple[Any, ...] | None) -> str:
    if not address:
        return ""
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    return f"{host}:{address[1]}"
