"""Batches of one stream that arrived and wait to be accepted: bounded, and taken all at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from switchhook.errors import CodecError
from switchhook.v1 import events_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LIMIT = 8  # batches that wait; more than a producer sends without an answer


class Inbox:
    """Filled by one task, emptied by another."""

    def __init__(self) -> None:
        self._requests: list[pb.PublishRequest] = []
        self._stirred = asyncio.Event()
        self._room = asyncio.Semaphore(_LIMIT)
        self._closed = False
        self.error: CodecError | None = None

    async def fill(self, read: Callable[[], Awaitable[object]]) -> None:
        """Read until the producer has said its last, or what is no batch: then that is the `error`."""
        try:
            while isinstance(request := await read(), pb.PublishRequest):
                await self._room.acquire()
                self._requests.append(request)
                self._stirred.set()
        except DecodeError as error:
            self.error = CodecError(f"not a batch of events: {error}")
        self.close()

    async def take(self) -> list[pb.PublishRequest]:
        """All batches that wait, at least one; none after the last."""
        while not self._requests and not self._closed:
            self._stirred.clear()
            await self._stirred.wait()
        requests, self._requests = self._requests, []
        for _ in requests:
            self._room.release()
        return requests

    def close(self) -> None:
        """Nothing more comes, or nothing more is wanted."""
        self._closed = True
        self._stirred.set()
