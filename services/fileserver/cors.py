"""Which web pages of other origins may fetch recordings by script (CORS)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from services.fileserver.server import SERVER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_EXPOSED = "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, Retry-After"
_ASKED = "Range, If-Range, If-None-Match, If-Modified-Since"
_PREFLIGHT_LIFE = "600"  # seconds


class Cors:
    """Allows these origins, such as `https://crm.example.com`."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def allow(self, headers: Mapping[str, str], response: web.StreamResponse) -> None:
        """Tells the browser that asked with these headers whether its page may see the response."""
        if not self._origins:
            return
        response.headers["Vary"] = f"{response.headers.get('Vary', '')}, Origin".removeprefix(", ")
        if (origin := headers.get("Origin", "").lower()) in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    def preflight(self, headers: Mapping[str, str]) -> web.Response | None:
        """The answer to a browser that asks before it asks; None when it is no such question."""
        if "Origin" not in headers or "Access-Control-Request-Method" not in headers or not self._origins:
            return None
        response = web.Response(status=HTTPStatus.NO_CONTENT, headers=SERVER)
        self.allow(headers, response)
        if "Access-Control-Allow-Origin" in response.headers:
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = _ASKED
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_LIFE
        return response
