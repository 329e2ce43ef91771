"""The yardstick of the dispatcher: a bare aiohttp client that sends the same requests over as many connections.

    python -m bench.bare URL --core N --connections 64 [--own]

For every line with a number on standard input it sends so many requests and prints the seconds that this took, and the
processor seconds that it took before to render them. Nothing is stored, and nothing is done with the answers. With
`--own` it is the dispatcher's own client, with guard, signatures and timeouts: the least that a delivery costs there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import uvloop
from yarl import URL

from bench.dispatching import Where, settings_of
from bench.publishing import new_events
from services.dispatcher.addresses import file_addresses
from services.dispatcher.attempt import KEEP_ALIVE, USER_AGENT, Connections
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.formats import render
from switchhook.events import EventId
from switchhook.runtime.interpreter import tune_interpreter

if TYPE_CHECKING:
    from services.dispatcher.formats import HttpRequest

Prepared = tuple["HttpRequest", dict[str, str]]
"""A request with all of its headers."""


def prepared(url: str, count: int) -> list[Prepared]:
    """What the dispatcher would send for so many events."""
    settings = settings_of(Where(folder=Path(), core=0, url=url))
    endpoint = Endpoint.from_settings(settings.endpoint[0], settings.dispatcher)
    links = file_addresses(settings)
    requests = []
    for event in new_events(count):
        request = render(event, endpoint, links)
        own = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        ids = {"webhook-id": event.id, "webhook-timestamp": str(int(time.time()))}
        requests.append((request, {**own, **request.headers, **ids}))
    return requests


async def send(session: aiohttp.ClientSession, requests: list[Prepared], connections: int) -> float:
    """Send them all, so many at once; the seconds that it took."""
    waiting = iter(requests)

    async def worker() -> None:
        for request, headers in waiting:
            url = URL(request.url, encoded=True)
            async with session.request(request.method, url, data=request.body, headers=headers) as response:
                await response.read()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    return time.perf_counter() - began


async def send_own(connections: Connections, requests: list[Prepared], count: int) -> float:
    """The same by the dispatcher's client."""
    waiting = iter(requests)

    async def worker() -> None:
        for request, headers in waiting:
            await connections.attempt(request, event_id=EventId(headers["webhook-id"]), now=datetime.now(UTC))

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(count)))
    return time.perf_counter() - began


async def _run(url: str, connections: int, *, is_own: bool) -> None:
    tune_interpreter()
    settings = settings_of(Where(folder=Path(), core=0, url=url))
    endpoint = Endpoint.from_settings(settings.endpoint[0], settings.dispatcher)
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE.total_seconds())
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        Connections(endpoint, connect_timeout=settings.dispatcher.connect_timeout, limit=connections) as own,
    ):
        while line := await asyncio.to_thread(sys.stdin.readline):
            before = time.process_time()
            requests = prepared(url, int(line))
            preparing = time.process_time() - before
            if is_own:
                took = await send_own(own, requests, connections)
            else:
                took = await send(session, requests, connections)
            sys.stdout.write(f"{took} {preparing}\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--own", action="store_true", help="the dispatcher's own client instead of a bare one")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    uvloop.run(_run(options.url, options.connections, is_own=options.own))


if __name__ == "__main__":
    main()
