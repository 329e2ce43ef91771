"""An endpoint that may answer with anything at all, also with what is no HTTP; it remembers what came, in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.deadline import eventually
from tests.soak.moods import Answer

if TYPE_CHECKING:
    from types import TracebackType

    from tests.soak.moods import Mood

_BYTES = {
    Answer.ACCEPTED: b"HTTP/1.1 204 No Content\r\n\r\n",
    Answer.FAILED: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    Answer.OVERLOADED: b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 3600\r\n\r\n",
    Answer.GARBAGE: b"\x00\xff\x16SSH-2.0-teapot\r\n\r\n\r\n",
    Answer.CUT: b"HTTP/1.1 20",
}
_KEEPS_OPEN = frozenset({Answer.ACCEPTED, Answer.FAILED, Answer.OVERLOADED})


@dataclass(frozen=True, slots=True)
class Reception:
    """A whole request that arrived, and how it was answered."""

    id: str
    body: bytes
    answer: Answer


class Sink:
    """An async context manager; answers as its mood says."""

    def __init__(self, mood: Mood, *, seed: int) -> None:
        self.receptions: list[Reception] = []
        self._mood = mood
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it listens; once entered."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hooks"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.close()
        await eventually(lambda: not self._connections, 10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            # A sender that was killed leaves its connection in the middle of anything.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._answered(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._connections.discard(writer)

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it; False when the connection is of no more use."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        answer = self._mood.answer(headers["webhook-id"], self._dice)
        self.receptions.append(Reception(headers["webhook-id"], body, answer))
        if answer is Answer.NOTHING:
            await reader.read()
            return False
        writer.write(_BYTES[answer])
        await writer.drain()
        return answer in _KEEPS_OPEN
