"""Hands the bytes of a recording to a client, and gives up on one that takes none for a while.

A plain file on a plain connection is sent by the kernel (`sendfile`); everything else goes through memory, a piece at a
time. Event loops differ in what they offer for this, so the socket is waited for here, under a descriptor of its own.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from services.fileserver.files import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from services.fileserver.files import OpenFile
    from services.fileserver.library import Body
    from services.fileserver.ranges import Part

_SMALLEST_PIECE = 16 * 1024
# By so much at once, so that one fast client does not keep the loop from the others.
_KERNEL_CHUNK = 1024 * 1024


class Sending:
    """One answer on its way. `sent` counts bytes of the recording; `stall` is in seconds; `began` is called once.

    Raises OSError when the connection is lost or stalls, and `ObjectsError` when the storage fails.
    """

    def __init__(
        self, request: web.BaseRequest, response: web.StreamResponse, *, stall: float, began: Callable[[], None]
    ) -> None:
        self._request = request
        self._response = response
        self._stall = stall
        self._began = began
        self.sent = 0

    async def text(self, content: bytes) -> None:
        """Bytes that are not of the recording."""
        await self._write(content)

    async def part(self, body: Body, part: Part) -> None:
        """A part of the recording."""
        start, left = part.start, part.length
        if body.file is not None and self._is_plain and left > CHUNK:
            # A first piece travels with the headers, which must be on their way before the kernel takes over.
            first = max(len(body.file.head) - start, _SMALLEST_PIECE)
            await self._stream(body, start, first)
            start, left = start + first, left - first
            await self._drained()
            await self._by_kernel(body.file, start, left)
        else:
            await self._stream(body, start, left)

    @property
    def _is_plain(self) -> bool:
        transport = self._request.transport
        return transport is not None and transport.get_extra_info("sslcontext") is None

    async def _stream(self, body: Body, start: int, length: int) -> None:
        async for piece in body.stream(start, length):
            await self._write(piece)
            self.sent += len(piece)

    async def _write(self, content: bytes) -> None:
        async with asyncio.timeout(self._stall):
            is_first = not self._response.prepared
            if is_first:
                await self._response.prepare(self._request)
            await self._response.write(content)
        if is_first:
            self._began()

    async def _drained(self) -> None:
        """Nothing is left in our memory."""
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError
        transport.set_write_buffer_limits(high=0)
        async with asyncio.timeout(self._stall):
            await self._request.writer.drain()

    async def _by_kernel(self, file: OpenFile, offset: int, left: int) -> None:
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError
        loop = asyncio.get_running_loop()
        socket = os.dup(transport.get_extra_info("socket").fileno())
        try:
            while left:
                try:
                    count = os.sendfile(socket, file.descriptor, offset, min(left, _KERNEL_CHUNK))
                except BlockingIOError:
                    async with asyncio.timeout(self._stall):
                        await _writable(loop, socket)
                    continue
                if not count:
                    raise ConnectionError("the file became shorter while it was sent")
                offset, left = offset + count, left - count
                self.sent += count
                await asyncio.sleep(0)
        finally:
            os.close(socket)


async def _writable(loop: asyncio.AbstractEventLoop, socket: int) -> None:
    waiter = loop.create_future()
    loop.add_writer(socket, _wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_writer(socket)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
