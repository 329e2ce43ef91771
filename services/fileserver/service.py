"""Binds, serves and drains: the fileserver as a service of a process."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

from services.fileserver.admittance import Admittance
from services.fileserver.api import FileserverApi
from services.fileserver.app import Downloads, Parts
from services.fileserver.audit import Audit
from services.fileserver.callers import networks
from services.fileserver.cors import Cors
from services.fileserver.library import Library
from services.fileserver.metrics import FileserverMetrics
from services.fileserver.openapi import DESCRIBED
from services.fileserver.paging import Pages
from services.fileserver.register import Register
from services.fileserver.revoked import Revoked
from services.fileserver.server import DownloadServer
from switchhook.errors import AddressUnavailable, ConfigError
from switchhook.objects import open_objects
from switchhook.runtime.clock import utc_now
from switchhook.runtime.tables import open_tables
from switchhook.settings.addresses import TcpAddress, parse_tcp
from switchhook.settings.link_key import link_keys
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from prometheus_client import CollectorRegistry

    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.runtime.openapi import Described
    from switchhook.settings import FileserverSettings, Settings
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may take: connections, silence before a request, a pause while reading, time to finish at a stop."""

    connections: int = 1024
    idle: timedelta = timedelta(seconds=30)
    stall: timedelta = timedelta(seconds=60)
    drain: timedelta = timedelta(seconds=5)


class Fileserver:
    """Serves recordings from their storage."""

    name = "fileserver"

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: FileserverMetrics,
        tls: ssl.SSLContext | None,
        clock: Clock,
        limits: Limits,
        tracing: Tracing,
    ) -> None:
        self._settings = settings
        self._section = settings.fileserver
        self._listen = parse_tcp(settings.fileserver.listen)
        self._metrics = metrics
        self._tls = tls
        self._clock = clock
        self._limits = limits
        self._tracing = tracing
        self._api = FileserverApi(clock=clock)
        self.address = ""
        """Where it is reached, as `host:port`, once `run` has said that it is ready."""

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        registry: CollectorRegistry,
        clock: Clock = utc_now,
        limits: Limits | None = None,
        tracing: Tracing = OFF,
    ) -> Fileserver:
        """Raises ConfigError when the certificate cannot be used."""
        metrics = FileserverMetrics(registry)
        tls = tls_context(settings.fileserver)
        return cls(settings, metrics=metrics, tls=tls, clock=clock, limits=limits or Limits(), tracing=tracing)

    @property
    def admin_routes(self) -> Sequence[web.RouteDef]:
        """See `Administered`."""
        return self._api.routes

    @property
    def admin_described(self) -> Described:
        """See `Administered`."""
        return DESCRIBED

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        settings, section = self._settings, self._section
        async with AsyncExitStack() as stack:
            migrations = files("services.fileserver") / "migrations"
            database = await open_tables(settings, self.name, migrations=migrations, metrics=self._metrics.database)
            stack.push_async_callback(database.close)
            register = Register(database)
            revoked = Revoked(register, settings.pbx, health=health)
            await revoked.read()
            lost = self._metrics.listens_lost.inc
            audit = Audit(register, retention=section.audit_retention, health=health, lost=lost, clock=self._clock)
            stack.push_async_callback(audit.flush)
            stack.enter_context(self._api.opened(revoked, register))
            downloads = Downloads(self._parts(revoked), audit.note)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(revoked.run())
                tasks.create_task(audit.run())
                async with self._bound(downloads) as bound:
                    self.address = f"{bound.host or ''}:{bound.port}"
                    health.ready()
                    await asyncio.Event().wait()  # until cancelled

    def _parts(self, revoked: Revoked) -> Parts:
        settings, section = self._settings, self._section
        objects = open_objects(settings)
        admittance = Admittance(
            None if section.links == "open" else link_keys(settings),
            revoked=revoked,
            trusted_proxies=networks(section.trusted_proxies),
            clock=self._clock,
        )
        return Parts(
            admittance=admittance,
            library=Library(objects, [pbx.name for pbx in settings.pbx]),
            objects=objects,
            pages=Pages(section.cors_origins),
            cors=Cors(section.cors_origins),
            metrics=self._metrics,
            tracing=self._tracing,
            clock=self._clock,
            redirects=section.s3_delivery == "redirect",
            stall=self._limits.stall.total_seconds(),
        )

    @asynccontextmanager
    async def _bound(self, downloads: Downloads) -> AsyncIterator[TcpAddress]:
        server = DownloadServer(
            downloads.answer,
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
