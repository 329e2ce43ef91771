"""Audio of a participant of the client's own route point: PCM, 16 bits, 8 kHz, mono, as long as the leg lives.

The caller is a melody; what the application says is read and thrown away.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from simulator.model import LegStatus
from simulator.sound import RATE, Codec, wav

if TYPE_CHECKING:
    from simulator.exchange import Exchange

STREAM_PATH = re.compile(r"^/callcontrol/([^/]+)/participants/(\d+)/stream$")

_PIECE_SECONDS = 0.1
_WAV_HEADER_BYTES = 44


class Streams:
    """Serves the stream paths."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def serve(self, request: web.Request, dn: str, identity: int) -> web.StreamResponse:
        if dn != self._exchange.directory.client.number:
            return web.Response(status=HTTPStatus.FORBIDDEN)
        if not self._talks(dn, identity):
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if request.method == "GET":
            return await self._play(request, dn, identity)
        if request.method == "POST":
            return await self._listen(request, dn, identity)
        return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED)

    async def _play(self, request: web.Request, dn: str, identity: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        piece = wav(Codec.PCM, melody=identity, seconds=_PIECE_SECONDS)[_WAV_HEADER_BYTES:]
        while self._talks(dn, identity):
            await response.write(piece)
            await asyncio.sleep(len(piece) / (2 * RATE))
        await response.write_eof()
        return response

    async def _listen(self, request: web.Request, dn: str, identity: int) -> web.Response:
        async for _ in request.content.iter_any():
            if not self._talks(dn, identity):
                break
        return web.Response()

    def _talks(self, dn: str, identity: int) -> bool:
        leg = self._exchange.leg(dn, identity)
        return leg is not None and leg.participant.status is LegStatus.CONNECTED
