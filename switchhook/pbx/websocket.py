"""A websocket whose end has an end: aiohttp waits for the other side's goodbye anew after each frame that comes."""

from __future__ import annotations

import asyncio

import aiohttp

GOODBYE = 1.0  # seconds that a PBX has to agree to the end


class Websocket(aiohttp.ClientWebSocketResponse):
    """Closed for good within a moment, also when the PBX floods it or says nothing."""

    async def close(self, *, code: int = aiohttp.WSCloseCode.OK, message: bytes = b"") -> bool:
        """See aiohttp."""
        try:
            async with asyncio.timeout(GOODBYE):
                return await super().close(code=code, message=message)
        except TimeoutError:  # the transport was closed when the wait was given up
            return True
