"""As much of a PBX as a session needs: one live token per client, and answers of every kind."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

CLIENT_ID = "switchhook"
CLIENT_SECRET = "right"
AUDIO = bytes(range(256)) * 1000


class PbxServer:
    """Every grant ends the token before it, as with the real one."""

    def __init__(self) -> None:
        self.url = ""
        self.grants = 0
        self.rejections = 0
        self.token = ""
        self.token_life: tuple[int, int] | None = None  # `nbf` and `exp` of a JWT; None: an opaque token
        self.expires_in: object = 3600
        self.token_status = 200
        self.websocket_status = 101
        self.handshakes = 0
        self.keeps_tokens = True
        self.paths: list[str] = []
        self._serial = itertools.count(1)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[PbxServer]:
        application = web.Application()
        application.router.add_post("/connect/token", self._grant)
        application.router.add_get("/callcontrol/ws", self._websocket)
        application.router.add_get("/{path:.*}", self._get)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def forget_token(self) -> None:
        """As after a restart of the PBX."""
        self.token = ""

    async def _grant(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.grants += 1
        await asyncio.sleep(0.02)  # long enough for others to want one too
        if self.token_status != 200:
            return web.Response(status=self.token_status, headers={"Retry-After": "7"})
        if form["client_id"] != CLIENT_ID or form["client_secret"] != CLIENT_SECRET:
            return web.json_response({"error": "invalid_client"}, status=400)
        token = f"opaque-{next(self._serial)}"
        if self.token_life is not None:
            claims = {"nbf": self.token_life[0], "exp": self.token_life[1], "jti": token}
            token = ".".join(_part(part) for part in ({"alg": "none"}, claims, {}))
        self.token = token if self.keeps_tokens else ""
        return web.json_response({"token_type": "Bearer", "expires_in": self.expires_in, "access_token": token})

    def _is_authorised(self, request: web.Request) -> bool:
        authorised = bool(self.token) and request.headers.get("Authorization") == f"Bearer {self.token}"
        self.rejections += not authorised
        return authorised

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        if not self._is_authorised(request):
            return web.Response(status=401)
        answers: dict[str, dict[str, Any]] = {
            "/callcontrol": {"body": b'[{"dn": "100"}]', "content_type": "application/json"},
            "/nothing": {"status": 204},
            "/forbidden": {"status": 403},
            "/busy": {"status": 503, "headers": {"Retry-After": "12"}},
            "/throttled": {"status": 429},
            "/bad": {"status": 400, "body": b'{"error": {"message": "WARNINGS.XAPI.FILE_NOT_FOUND"}}'},
            "/page": {"body": b"<html>not JSON</html>"},
            "/audio": {"body": AUDIO, "content_type": "audio/x-wav"},
            "/xapi/v1/Recordings": {"body": b"{}"},
            "/dated": {"body": b"{}", "headers": {"Date": request.query.get("date", "")}},
            "/endless": {"body": json.dumps({"value": [{"Number": "1"}] * 100}).encode()},
        }
        if request.path == "/torn":
            response = web.StreamResponse(headers={"Content-Length": "100000"})
            await response.prepare(request)
            await response.write(b"x" * 1000)
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(**answers.get(request.path, {"status": 404}))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if not self._is_authorised(request):
            return web.Response(status=401)
        self.handshakes += 1
        if self.websocket_status != 101:
            return web.Response(status=self.websocket_status, headers={"Retry-After": "9"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"sequence": 1})
        await socket.receive()
        await socket.close()
        return socket


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
