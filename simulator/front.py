"""The PBX's one HTTP port: tokens, /callcontrol, its websocket and /xapi/v1.

Here are authorisation and the faults that concern every request.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson
from aiohttp import web

from simulator.answer import Answer, refused
from simulator.faults import Fault, Faults
from simulator.streams import STREAM_PATH
from simulator.tokens import TokenOffice, bearer
from simulator.xapi_answers import XapiError

if TYPE_CHECKING:
    from simulator.callcontrol import CallControl
    from simulator.options import SimulatorOptions
    from simulator.sockets import Sockets
    from simulator.streams import Streams
    from simulator.xapi import Xapi

_MAX_BODY = 1024 * 1024
_ASKED = re.compile(r"/xapi/v1/\w*|/callcontrol/ws|/callcontrol(?:/(?=.))?|.*")
_UNAUTHORISED = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Front:
    """Handlers of the PBX's port."""

    def __init__(
        self,
        tokens: TokenOffice,
        faults: Faults,
        options: SimulatorOptions,
        *,
        control: CallControl,
        sockets: Sockets,
        xapi: Xapi,
        streams: Streams,
    ) -> None:
        self.asked: Counter[str] = Counter()
        """HTTP requests by what was asked for, without numbers and arguments; those that failed among them."""
        self._tokens = tokens
        self._faults = faults
        self._options = options
        self._control = control
        self._sockets = sockets
        self._xapi = xapi
        self._streams = streams
        self._sockets_refused_until = 0.0

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_post("/connect/token", self._token)
        application.router.add_get("/callcontrol/ws", self._socket)
        application.router.add_route("*", "/callcontrol{path:.*}", self._callcontrol)
        application.router.add_route("*", "/xapi/v1/{path:.*}", self._xapi_request)
        return application

    def refuse_sockets(self, seconds: float) -> None:
        self._sockets_refused_until = time.monotonic() + seconds

    async def _token(self, request: web.Request) -> web.StreamResponse:
        if spoilt := await self._spoil(request):
            return spoilt
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return _json(HTTPStatus.BAD_REQUEST, {"error": "unsupported_grant_type"})
        if not self._tokens.knows(str(form.get("client_id", "")), str(form.get("client_secret", ""))):
            return _json(HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"})
        roles = ["App", "CallFlowApp"]
        if not self._faults.on(Fault.NO_LICENCE):
            roles.append("Enterprise")
        lifetime = self._options.token_lifetime
        token = self._tokens.issue(lifetime=lifetime, roles=roles)
        unit = 60 if self._options.expires_in_minutes else 1
        expires_in = int(lifetime.total_seconds() // unit)
        body = {"token_type": "Bearer", "expires_in": expires_in, "access_token": token.text, "refresh_token": None}
        return _json(HTTPStatus.OK, body)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._count(request)
        if busy := self._busy():
            return busy
        if not self._authorised(request):
            return _unauthorised()
        if self._faults.on(Fault.NO_LICENCE):
            return _response(refused(HTTPStatus.FORBIDDEN, "the licence does not contain the call control API"))
        if time.monotonic() < self._sockets_refused_until:
            return _response(refused(HTTPStatus.SERVICE_UNAVAILABLE, "try later"))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _response(refused(HTTPStatus.BAD_REQUEST, "this is a websocket"))
        return await self._sockets.serve(request)

    async def _callcontrol(self, request: web.Request) -> web.StreamResponse:
        if spoilt := await self._spoil(request):
            return spoilt
        if not self._authorised(request):
            return _unauthorised()
        if stream := STREAM_PATH.match(request.rel_url.raw_path):
            return await self._streams.serve(request, unquote(stream[1]), int(stream[2]))
        body = await request.read() if request.can_read_body else b""
        return _response(self._control.answer(request.method, request.rel_url.raw_path, body))

    async def _xapi_request(self, request: web.Request) -> web.StreamResponse:
        if spoilt := await self._spoil(request):
            response = XapiError(HTTPStatus(spoilt.status), "An error has occurred.").response()
            if "Retry-After" in spoilt.headers:
                response.headers["Retry-After"] = spoilt.headers["Retry-After"]
            return response
        if not self._authorised(request):
            return _unauthorised()
        return await self._xapi.serve(request)

    async def _spoil(self, request: web.Request) -> web.Response | None:
        """What the faults of HTTP make of a request."""
        self._count(request)
        if busy := self._busy():
            return busy
        delay = self._faults.seconds(Fault.SLOW)
        if delay:
            await asyncio.sleep(delay)
        if self._faults.strikes(Fault.ERROR_500):
            return _response(refused(HTTPStatus.INTERNAL_SERVER_ERROR, "something failed"))
        return None

    def _count(self, request: web.Request) -> None:
        self.asked[_ASKED.match(request.path)[0]] += 1  # type: ignore[index] # it matches everything

    def _busy(self) -> web.Response | None:
        if not self._faults.on(Fault.BUSY):
            return None
        response = _response(refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests"))
        response.headers["Retry-After"] = f"{self._faults.seconds(Fault.BUSY):.0f}"
        return response

    def _authorised(self, request: web.Request) -> bool:
        token = bearer(request.headers.get("Authorization", "")) or request.query.get("access_token", "")
        return self._tokens.good(token)


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")


def _json(status: HTTPStatus, body: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _unauthorised() -> web.Response:
    return web.Response(status=HTTPStatus.UNAUTHORIZED, headers=_UNAUTHORISED)
