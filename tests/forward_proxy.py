"""A real forward proxy: tunnels by CONNECT, forwards plain requests, and asks for credentials where it is told to."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from types import TracebackType


class ForwardProxy:
    """An async context manager. `requests` are the first lines that came; `credentials` is `user:password`."""

    def __init__(
        self, *, credentials: str = "", tls: ssl.SSLContext | None = None, hosts: dict[str, str] | None = None
    ) -> None:
        self.requests: list[str] = []
        self._credentials = credentials
        self._tls = tls
        self._hosts = hosts or {}  # names that this proxy alone can resolve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """With the credentials that it asks for."""
        user = f"{self._credentials}@" if self._credentials else ""
        return f"{'https' if self._tls else 'http'}://{user}127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two sides has gone
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip("\r\n").split("\r\n")
        self.requests.append(first)
        method, target, version = first.split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        expected = "basic " + base64.b64encode(self._credentials.encode()).decode().lower()
        if self._credentials and headers.get("proxy-authorization") != expected:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname or "", parts.port or 80
        try:
            upstream_reader, upstream = await asyncio.open_connection(self._hosts.get(host, host), port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = parts.path or "/"
                kept = [line for line in lines if not line.lower().startswith("proxy-")]
                upstream.write("\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode())
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, upstream))
                group.create_task(_pump(upstream_reader, writer))
        finally:
            upstream.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends, which ends the other."""
    try:
        while piece := await reader.read(64 * 1024):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()
