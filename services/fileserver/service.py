"""Binds, serves and drains: the fileserver as a service of a process."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web

from services.fileserver.app import Access, Downloads
from services.fileserver.library import Library
from services.fileserver.metrics import FileserverMetrics
from services.fileserver.server import DownloadServer
from switchhook.errors import AddressUnavailable, ConfigError
from switchhook.objects import open_objects
from switchhook.runtime.clock import utc_now
from switchhook.settings.addresses import TcpAddress, parse_tcp
from switchhook.settings.link_key import link_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import CollectorRegistry

    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import FileserverSettings, Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take: connections, silence before a request, a pause while reading, time to finish at a stop."""

    connections: int = 1024
    idle: timedelta = timedelta(seconds=30)
    stall: timedelta = timedelta(seconds=60)
    drain: timedelta = timedelta(seconds=5)


class Fileserver:
    """Serves recordings from a folder."""

    name = "fileserver"

    def __init__(
        self,
        listen: TcpAddress,
        downloads: Downloads,
        metrics: FileserverMetrics,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._listen = listen
        self._downloads = downloads
        self._metrics = metrics
        self._tls = tls
        self._limits = limits or Limits()
        self.address = ""
        """Where it is reached, as `host:port`, once `run` has said that it is ready."""

    @classmethod
    def from_settings(
        cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now, limits: Limits | None = None
    ) -> Fileserver:
        """Raises ConfigError when the certificate or a key cannot be used."""
        limits = limits or Limits()
        metrics = FileserverMetrics(registry)
        section = settings.fileserver
        keys = None if section.links == "open" else (link_key(settings),)
        access = Access(keys=keys, clock=clock)
        library = Library(open_objects(settings), [pbx.name for pbx in settings.pbx])
        downloads = Downloads(library, access, metrics, stall=limits.stall)
        return cls(parse_tcp(section.listen), downloads, metrics, tls=tls_context(section), limits=limits)

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        async with self.serving():
            health.ready()
            await asyncio.Event().wait()  # until cancelled

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TcpAddress]:
        """Serve while the context is open; yields the address that was bound."""
        server = DownloadServer(
            self._downloads.answer,
            limit=self._limits.connections,
            idle=self._limits.idle,
            on_connections=self._metrics.connections.set,
        )
        runner = web.ServerRunner(server, shutdown_timeout=self._limits.drain.total_seconds())
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._listen.host, self._listen.port, ssl_context=self._tls, backlog=512)
            await _start(site, self._listen)
            bound = replace(self._listen, port=runner.addresses[0][1])
            self.address = f"{bound.host or ''}:{bound.port}"
            log.info("fileserver.listening", extra={"port": bound.port, "tls": self._tls is not None})
            yield bound
        finally:
            await runner.cleanup()


async def _start(site: web.TCPSite, listen: TcpAddress) -> None:
    try:
        await site.start()
    except OSError as error:
        where = f"{listen.host or ''}:{listen.port}"
        raise AddressUnavailable(f"fileserver.listen: {where} cannot be listened on: {error.strerror}") from error


def tls_context(section: FileserverSettings) -> ssl.SSLContext | None:
    """The context for https, None for plain http; raises ConfigError when a file cannot be used."""
    if section.tls_cert is None or section.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(section.tls_cert, section.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"fileserver.tls_cert: the certificate or its key cannot be used: {error}"]) from error
    return context
