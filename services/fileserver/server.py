"""Bounds what clients can hold: how many connections, and for how long one may stay silent.

A connection beyond the limit is closed at once; one that sends no complete request within `idle` is closed too. What
is not HTTP gets the same JSON errors as everything else, and no answer names the software behind it.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

log = logging.getLogger(__name__)

SERVER = {"Server": "Switchhook"}

# aiohttp's access log would show signatures; the canonical line `link.served` takes its place.
_NO_ACCESS_LOG = logging.getLogger(f"{__name__}.access")
_NO_ACCESS_LOG.disabled = True


def error_response(status: HTTPStatus, error: str, message: str, **headers: str) -> web.Response:
    """A JSON error: `error` is for programs, `message` for people."""
    return web.json_response(
        {"error": error, "message": message},
        status=status,
        headers={**SERVER, **{name.replace("_", "-"): text for name, text in headers.items()}},
    )


class DownloadServer(web.Server):
    """aiohttp's low-level server with a limit on connections."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        limit: int,
        idle: timedelta,
        on_connections: Callable[[int], object],
    ) -> None:
        super().__init__(answer)
        self._limit = limit
        self._idle = idle
        self._on_connections = on_connections
        self._count = 0

    def __call__(self) -> web.RequestHandler:
        """A protocol for the next connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._idle.total_seconds(),
            access_log=_NO_ACCESS_LOG,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection; the one that is too many is closed before it can send anything."""
        super().connection_made(handler, transport)
        self._count += 1
        self._on_connections(self._count)
        if self._count > self._limit:
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        self._count -= 1
        self._on_connections(self._count)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or what broke here, without saying what broke."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            # Not the message: it quotes the request, signature and all.
            log.debug("request.unreadable", extra={"status": status, "problem": type(exc).__name__})
            response = error_response(HTTPStatus(status), "bad_request", "this is not a request that can be read")
        else:
            log.error("request.broke", extra={"status": status}, exc_info=exc)
            response = error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "the recording cannot be sent now; try again"
            )
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was under way already")
        response.force_close()
        return response
