"""The process's one port for operators: `/livez`, `/readyz`, `/metrics`, and what its services add under `/api/`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client.exposition import choose_encoder

from switchhook.errors import AddressUnavailable
from switchhook.runtime.address import split_listen
from switchhook.runtime.api import PREFIX, api_middleware, json_response
from switchhook.runtime.openapi import ROUTE, openapi

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from prometheus_client import CollectorRegistry

    from switchhook.runtime.health import Health
    from switchhook.runtime.openapi import Described

log = logging.getLogger(__name__)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether Switchhook failed, not a peer that sends what is no HTTP: that is answered, and quotes what it sent."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_HTTP_LOG = logging.getLogger(f"{__name__}.http")
_HTTP_LOG.addFilter(_is_ours)


class AdminServer:
    """An async context; serves while it is open."""

    def __init__(
        self,
        listen: str,
        health: Health,
        registry: CollectorRegistry,
        *,
        routes: Sequence[web.RouteDef] = (),
        described: Sequence[Described] = (),
        token: str | None = None,
    ) -> None:
        """`listen` is `host:port` or `:port`; port 0 takes a free one. `token` opens `routes`, all under `/api/`.

        What `described` says of them is served too (`openapi.ROUTE`).

        Raises `ValueError` for a route elsewhere: it would be open to everybody.
        """
        if not all(route.path.startswith(PREFIX) for route in routes):
            raise ValueError(f"every route must begin with {PREFIX}")
        self._listen = listen
        self._health = health
        self._registry = registry
        self._routes = routes
        self._openapi = openapi(described)
        self._token = token
        self.address = listen  # `host:port` as bound, once it is open

    async def __aenter__(self) -> Self:
        """Raises `AddressUnavailable`."""
        application = web.Application(middlewares=[api_middleware(self._token)])
        application.router.add_get("/livez", self._live)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get(ROUTE, self._description)
        application.router.add_routes(self._routes)
        self._runner = web.AppRunner(application, access_log=None, logger=_HTTP_LOG, shutdown_timeout=1.0)
        await self._runner.setup()
        host, port = split_listen(self._listen)
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise AddressUnavailable(f"admin.listen {self._listen}: cannot listen there ({error.strerror})") from error
        bound = self._runner.addresses[0]
        self.address = f"{host or '127.0.0.1'}:{bound[1]}"
        log.info("admin.listening", extra={"address": self.address})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _description(self, _request: web.Request) -> web.Response:
        return json_response(self._openapi)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _ready(self, request: web.Request) -> web.Response:
        reports = self._health.report()
        wanted = request.query.get("service")
        if wanted is not None:
            reports = {name: report for name, report in reports.items() if name == wanted}
        ready = bool(reports) and all(report.ready for report in reports.values())
        services = {name: {"ready": report.ready, "problems": report.problems} for name, report in reports.items()}
        body = orjson.dumps({"ready": ready, "services": services})
        return web.Response(body=body, status=200 if ready else 503, content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, media_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": media_type})
