"""One stream to a sink, from opening it to its break.

Batches are sent without waiting for the answers to those before, up to a few, and a moment apart; meanwhile events
gather in the backlog, so batches grow with the load by themselves. An event that comes alone is sent at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from switchhook.errors import PublishError
from switchhook.v1 import events_pb2 as pb
from switchhook.v1.events_pb2_grpc import CallEventsStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from switchhook.rpc.publish import Backlog, Measure

    Call = grpc.aio.StreamStreamCall[pb.PublishRequest, pb.PublishResponse]

MAX_BATCH_EVENTS = 500
MAX_BATCH_SIZE = 1024 * 1024  # bytes; a larger event goes alone
_GATHER = 0.001  # seconds from one batch to the next: events that come in between share a message and a commit
_WINDOW = 4  # batches sent and not answered
_CONNECT_TIMEOUT = 5.0  # seconds
_ANSWER_TIMEOUT = 30.0  # seconds; a commit takes milliseconds, so such a sink hangs


@dataclass(frozen=True, slots=True)
class _Unanswered:
    batch: int
    position: int
    sent_at: float  # of the event loop's clock, seconds
    traceparents: Sequence[str]


class PublishStream:
    """Used once."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        backlog: Backlog,
        *,
        on_order: Callable[[], None],
        measure: Measure,
    ) -> None:
        """`on_order` is called whenever the sink has answered, or has nothing to answer."""
        self._channel = channel
        self._backlog = backlog
        self._on_order = on_order
        self._measure = measure
        self._unanswered: deque[_Unanswered] = deque()
        self._window = asyncio.Semaphore(_WINDOW)
        self._clock = asyncio.get_running_loop().time

    async def run(self) -> None:
        """Send and receive until the stream breaks, which is a `PublishError`; never returns."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await self._channel.channel_ready()
        except TimeoutError as error:
            raise PublishError("it cannot be reached") from error
        call: Call = CallEventsStub(self._channel).Publish()
        # Not a TaskGroup: until Python 3.13 one whose child fails while its parent is being cancelled forgets the
        # cancellation, and then the publisher would open the next stream instead of ending.
        tasks = [asyncio.create_task(part) for part in (self._send(call), self._receive(call), self._watch())]
        try:
            broken, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()
        for task in broken:
            task.result()

    async def _send(self, call: Call) -> None:
        batch, position, sent_at = 0, 0, 0.0
        while True:
            if (rest := sent_at + _GATHER - self._clock()) > 0:
                await asyncio.sleep(rest)
            rows = await self._backlog.pending(after=position, limit=MAX_BATCH_EVENTS)
            if not rows:
                if not self._unanswered:
                    self._on_order()
                await self._backlog.changed()
                continue
            for part in _batches(rows):
                batch, position = batch + 1, part[-1][0]
                # No timeout here: `_watch` ends the stream when answers stay away.
                await self._window.acquire()
                request = _request(batch, part)
                traced = [event.traceparent for event in request.events] if self._measure.is_traced else ()
                self._unanswered.append(_Unanswered(batch, position, self._clock(), traced))
                await self._write(call, request)
                sent_at = self._clock()

    async def _write(self, call: Call, request: pb.PublishRequest) -> None:
        try:
            await call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise PublishError(await _sentence(call)) from error

    async def _receive(self, call: Call) -> None:
        while True:
            try:
                response = await call.read()
            except grpc.aio.AioRpcError as error:
                raise PublishError(await _sentence(call)) from error
            if not isinstance(response, pb.PublishResponse):
                raise PublishError(await _sentence(call))
            answered = None
            while self._unanswered and self._unanswered[0].batch <= response.batch:
                answered = self._unanswered.popleft()
                self._window.release()
            if answered is not None:
                self._on_order()
                self._measure.answered(self._clock() - answered.sent_at, answered.traceparents)
                await self._backlog.acknowledge(answered.position)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_ANSWER_TIMEOUT / 10)
            if self._unanswered and self._clock() - self._unanswered[0].sent_at > _ANSWER_TIMEOUT:
                raise PublishError(f"no answer within {_ANSWER_TIMEOUT:.0f} seconds")


def _batches(rows: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for row in rows:
        if batch and size + len(row[1]) > MAX_BATCH_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row[1])
    if batch:
        yield batch


def _request(batch: int, rows: Sequence[tuple[int, bytes]]) -> pb.PublishRequest:
    request = pb.PublishRequest(batch=batch)
    for _, payload in rows:
        request.events.add().ParseFromString(payload)
    return request


async def _sentence(call: Call) -> str:
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return "it closed the stream"
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED):
        return f"the connection broke ({await call.details()})"
    return f"{code.name}: {await call.details()}"
