"""A TCP relay that can be made slow, so that something can happen in the middle of a transfer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PIECE = 1024


@dataclass
class Relay:
    """Passes bytes on to `host:port`; while `is_slow`, about 30 kB a second each way. `passed` counts the slow ones.

    `pause`: seconds after each piece of 1 kB, while it is slow.
    Where `damage` comes by on the way there, it is passed on in capital letters.
    """

    host: str
    port: int
    is_slow: bool = True
    passed: int = 0
    pause: float = 0.03
    damage: bytes = b""
    url: str = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass(reader, far_writer, damage=self.damage))
            group.create_task(self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, damage: bytes = b"") -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE if self.is_slow else 65_536):
                writer.write(piece.replace(damage, damage.upper()) if damage else piece)
                await writer.drain()
                if self.is_slow:
                    self.passed += len(piece)
                    await asyncio.sleep(self.pause)
        writer.close()


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[Relay]:
    """A relay to an `http://host:port`; `url` of it is its own address."""
    host, _, port = url.removeprefix("http://").partition(":")
    relay = Relay(host, int(port))
    server = await asyncio.start_server(relay._serve, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
