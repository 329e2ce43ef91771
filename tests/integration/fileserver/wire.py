"""A client that sends exactly what it is told and reads exactly what comes: no library between test and wire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        body: dict[str, Any] = json.loads(self.body)
        assert set(body) == {"error", "message"}
        return str(body["error"])


async def fetch(
    port: int, target: str, method: str = "GET", *, tls: ssl.SSLContext | None = None, **headers: str
) -> Answer:
    """One request on a connection of its own; header names are written with underscores."""
    fields = {"Host": "localhost", "Connection": "close"} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return await send(port, f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"), tls=tls)


async def send(port: int, raw: bytes, *, tls: ssl.SSLContext | None = None) -> Answer:
    """Raw bytes in; the first answer out, read until the server closes."""
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        writer.write(raw)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), "a header was sent twice"
    return Answer(int(status.split()[1]), {name.lower(): text for name, text in pairs}, body)
