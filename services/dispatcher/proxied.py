"""Checks where a request goes that a forward proxy will connect.

The proxy looks the name up for itself, so this cannot pin the address as a direct connection does: it refuses what is
known here to be internal, and lets names pass that only the proxy knows.
"""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.guard import demand_allowed, literal_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.abc import AbstractResolver

    from services.dispatcher.guard import Network

KEPT = timedelta(seconds=30)
MOST_HOSTS = 1000  # a template can make a name of its own for every event


class ProxiedTargets:
    """The hosts that one endpoint's proxy is asked for; a host that may be asked for is not looked up for a while."""

    def __init__(self, resolver: AbstractResolver, *, allowed: Sequence[Network], patience: timedelta) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._patience = patience
        self._good_until: dict[str, float] = {}  # of the loop's clock

    async def demand_allowed(self, host: str) -> None:
        """Raises ForbiddenAddress when the host is, or has, an address that is refused."""
        address = _literal(host)
        if address is not None:
            demand_allowed(host, [address], self._allowed)
            return
        now = asyncio.get_running_loop().time()
        if self._good_until.get(host, now) > now:
            return
        demand_allowed(host, await self._addresses(host), self._allowed)
        if len(self._good_until) >= MOST_HOSTS:
            self._good_until.clear()
        self._good_until[host] = now + KEPT.total_seconds()

    async def _addresses(self, host: str) -> list[str]:
        """Empty when the name is not known here: that is what many a proxy is for."""
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return [each["host"] for each in await self._resolver.resolve(host, family=socket.AF_UNSPEC)]
        except OSError:  # which a TimeoutError is, too
            return []


def _literal(host: str) -> str | None:
    """The address that the host is, also in the spellings that old software takes: 127.1, 0x7f.1, 2130706433."""
    address = literal_address(host)
    if address is not None:
        return str(address)
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
