"""What the guard against internal targets needs to be told, so that a migrated installation delivers where it did.

An address that stands in the old settings was chosen by their owner: its own network, of one address, is written down.
What a name leads to may change with whoever answers for it, so that is only said.
"""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp.resolver import DefaultResolver

from services.dispatcher.access import told_by_name
from services.dispatcher.guard import METADATA, ForbiddenAddress, demand_allowed, objections

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aiohttp.abc import AbstractResolver

    from services.commands.conversion import ConvertedEndpoint

PATIENCE = timedelta(seconds=3)


def networks_to_allow(urls: Iterable[str]) -> tuple[str, ...]:
    """The narrowest `allow_private` for the addresses in the urls; nothing for names but `localhost`.

    A cloud's metadata address is no receiver of webhooks: it stays refused.
    """
    found: dict[str, None] = {}
    for host in _hosts(urls):
        refused = [objection for address in told_by_name(host) for objection in objections(address)]
        if all(objection.kind != METADATA for objection in refused):
            found |= dict.fromkeys(objection.network for objection in refused)
    return tuple(found)


def said_of_names(endpoints: Collection[ConvertedEndpoint], resolver: AbstractResolver | None = None) -> list[str]:
    """A sentence for each endpoint at a name that leads to an internal address now; names nobody knows are left out."""
    return asyncio.run(_said(endpoints, resolver))


async def _said(endpoints: Collection[ConvertedEndpoint], resolver: AbstractResolver | None) -> list[str]:
    asked = resolver or DefaultResolver()
    pairs = [
        (endpoint.name, host)
        for endpoint in endpoints
        for host in _hosts((endpoint.url, endpoint.recording_url))
        if not told_by_name(host)
    ]
    try:
        hosts = list(dict.fromkeys(host for _, host in pairs))
        answers = dict(zip(hosts, await asyncio.gather(*(_objection(host, asked) for host in hosts)), strict=True))
    finally:
        await asked.close()
    return [f"endpoint {name}: {answers[host]}" for name, host in pairs if answers[host]]


async def _objection(host: str, resolver: AbstractResolver) -> str:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            found = await resolver.resolve(host, family=socket.AF_UNSPEC)
        demand_allowed(host, [each["host"] for each in found])
    except ForbiddenAddress as refusal:
        return str(refusal)
    except OSError:  # which a TimeoutError is, too
        return ""
    return ""


def _hosts(urls: Iterable[str]) -> Iterator[str]:
    yield from dict.fromkeys(host for url in urls if (host := urlsplit(url).hostname))
