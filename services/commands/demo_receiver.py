"""A receiver to look at: a real web server that takes webhooks, prints them, and tries every recording link."""

from __future__ import annotations

import asyncio
import io
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

import mutagen
import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from mutagen.mp3 import MP3

from services.commands.demo_lines import Probe, Webhook, link_line, webhook_line

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from mutagen.mp3 import MPEGInfo

    from switchhook.runtime.clock import Clock

PROBE_TIMEOUT = timedelta(seconds=20)
_HOST = "127.0.0.1"
_LARGEST_BODY = 1024 * 1024
_OK, _BAD_REQUEST = 200, 400


class DemoReceiver:
    """An async context manager; `/post` and `/get` are its endpoints."""

    def __init__(
        self, *, clock: Clock, in_colour: bool, host: str | None = _HOST, port: int = 0, links_at: str = ""
    ) -> None:
        """Listens on `host` (None: every interface) and `port` (0: a free one).

        `links_at` is where links are tried instead of at the address that they name, which is for other networks.
        """
        self.url = ""
        self.webhooks = 0
        self.links = 0
        self.links_that_play = 0
        self._clock = clock
        self._in_colour = in_colour
        self._host, self._port = host, port
        self._links_at = links_at.rstrip("/")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_LARGEST_BODY)
        webhooks = "/{endpoint:post|get}"
        app.add_routes([web.post(webhooks, self._receive), web.get(webhooks, self._receive, allow_head=False)])
        app.add_routes([web.get("/healthz", _healthy)])
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(
                ClientSession(timeout=ClientTimeout(total=PROBE_TIMEOUT.total_seconds()))
            )
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, self._host, self._port)
            await site.start()
            self._probes = await stack.enter_async_context(asyncio.TaskGroup())
            self.url = f"http://{self._host or _HOST}:{runner.addresses[0][1]}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            webhook = _read(request.match_info["endpoint"], dict(request.query), await request.read())
        except ValueError:
            return web.Response(status=_BAD_REQUEST, text="the body is no JSON object, or its links are no list")
        self.webhooks += 1
        _print(webhook_line(webhook, self._local_time(), in_colour=self._in_colour))
        for link in webhook.links:
            self._probes.create_task(self._try_link(webhook.endpoint, link))
        return web.Response(status=_OK)

    async def _try_link(self, endpoint: str, link: str) -> None:
        probe = await self._probe(link)
        self.links += 1
        self.links_that_play += not probe.problem
        _print(link_line(endpoint, link, probe, self._local_time(), in_colour=self._in_colour))

    async def _probe(self, link: str) -> Probe:
        """Ask for the head as a browser's player does, then play the whole file."""
        try:
            parts = urlsplit(link)
            url = f"{self._links_at}{parts.path}?{parts.query}" if self._links_at else link
            async with self._client.head(url) as head:
                if head.status != _OK:
                    return Probe(problem=f"HTTP {head.status}")
            async with self._client.get(url) as response:
                mp3 = await response.read()
        except (ClientError, TimeoutError, ValueError) as error:  # the last for what is no address
            return Probe(problem=str(error) or type(error).__name__)
        try:
            sound = await asyncio.to_thread(MP3, io.BytesIO(mp3))
        except mutagen.MutagenError:
            return Probe(problem="it is not an MP3")
        return Probe(seconds=cast("MPEGInfo", sound.info).length, size=len(mp3))

    def _local_time(self) -> datetime:
        return self._clock().astimezone()


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="receiving\n")


def _read(endpoint: str, query: dict[str, str], body: bytes) -> Webhook:
    """Raises ValueError when there is a body and it is no JSON object, or its links are no list."""
    document = orjson.loads(body) if body else {}
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for every body that is none
    told = {**query, **document}
    lists = [told.pop(key, []) for key in ("FileUrls", "FILES")]
    if not all(isinstance(links, list) for links in lists):
        raise ValueError("no list of links")
    links = [str(link) for links in lists for link in links]
    fields = {key.lower(): str(value) for key, value in told.items()}
    return Webhook(endpoint=endpoint, fields=fields, links=tuple(links))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
