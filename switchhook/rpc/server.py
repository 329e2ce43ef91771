"""The sink's end of the contract: a gRPC server that answers a batch once its events are durably accepted.

Batches that arrive while others are being accepted are accepted together, with one answer. `accept` is never cancelled
by a producer that goes away: what it began it may finish, and the producer's repeat is recognised by the events' ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from switchhook.errors import AddressUnavailable, CodecError, StorageFull, SwitchhookError
from switchhook.rpc.channel import MAX_MESSAGE
from switchhook.rpc.inbox import Inbox
from switchhook.rpc.received import received_events
from switchhook.v1 import events_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from switchhook.rpc.encryption import Encryption
    from switchhook.rpc.received import Received

    Accept = Callable[[Sequence[Received]], Awaitable[None]]
    Answered = Callable[[str, float, Sequence[Received]], None]
    Context = grpc.aio.ServicerContext[pb.PublishRequest, pb.PublishResponse]

log = logging.getLogger(__name__)

_SERVICE = "switchhook.v1.CallEvents"
_STOP_GRACE = 3.0  # seconds for an acceptance under way
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # A second server on a port that is taken must fail, not share it.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Producers ping while they have nothing to say; that is no abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@contextlib.asynccontextmanager
async def serve_publish(
    listen: str,
    accept: Accept,
    *,
    encryption: Encryption | None = None,
    answered: Answered = lambda _code, _seconds, _events: None,
) -> AsyncIterator[str]:
    """Serve `host:port`, `:port` or `unix:/path`; gives the address that was bound (port 0 becomes a real one).

    `accept` returns when the events are durable. `StorageFull`, other errors of the storage and events that this
    version does not know are answered with a status, and nothing of the batch is acknowledged. `answered` is told the
    status, such as `ok`, the seconds from taking batches to their answer, and their events.
    Raises `AddressUnavailable`.
    """
    servicer = _Servicer(accept, answered)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((servicer.handlers(),))
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    address = _bind(server, listen, encryption)
    await server.start()
    for name in ("", _SERVICE):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield address
    finally:
        await checks.enter_graceful_shutdown()
        await servicer.close()
        await server.stop(_STOP_GRACE)


class _Servicer:
    def __init__(self, accept: Accept, answered: Answered) -> None:
        self._accept = accept
        self._answered = answered
        self._inboxes: set[Inbox] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._closed = False

    def handlers(self) -> grpc.GenericRpcHandler:
        """The generated registration wants generators; reading and writing by hand needs no task per answer."""
        handler = grpc.stream_stream_rpc_method_handler(
            self.publish,
            request_deserializer=pb.PublishRequest.FromString,
            response_serializer=pb.PublishResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(_SERVICE, {"Publish": handler})

    async def publish(self, _requests: object, context: Context) -> None:
        if self._closed:
            return  # the producer comes again, and finds this sink's successor
        inbox = Inbox()
        self._inboxes.add(inbox)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(inbox.fill(context.read))
                failure = await self._answer(inbox, context)
                reading.cancel()
        finally:
            self._inboxes.discard(inbox)
        if failure is not None:
            await context.abort(*failure)

    async def close(self) -> None:
        """Take nothing more; wait for what is being accepted."""
        self._closed = True
        for inbox in self._inboxes:
            inbox.close()
        if self._accepting:
            await asyncio.wait(self._accepting, timeout=_STOP_GRACE)

    async def _answer(self, inbox: Inbox, context: Context) -> tuple[grpc.StatusCode, str] | None:
        while requests := await inbox.take():
            began = perf_counter()
            events: Sequence[Received] = ()
            try:
                events = received_events(requests)
                if events:
                    await self._accept_whole(events)
            except Exception as error:  # the boundary of the server: every failure becomes a status
                code, sentence = _status(error)
                self._answered(code.name.lower(), perf_counter() - began, events)
                return code, sentence
            self._answered("ok", perf_counter() - began, events)
            await context.write(pb.PublishResponse(batch=requests[-1].batch))
        return None if inbox.error is None else _status(inbox.error)

    async def _accept_whole(self, events: Sequence[Received]) -> None:
        task = asyncio.ensure_future(self._accept(events))
        self._accepting.add(task)
        task.add_done_callback(self._accepted)
        await asyncio.shield(task)

    def _accepted(self, task: asyncio.Task[None]) -> None:
        self._accepting.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen when the producer, and with it the reader of the outcome, has gone


def _status(error: Exception) -> tuple[grpc.StatusCode, str]:
    match error:
        case StorageFull():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
        case CodecError():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case SwitchhookError():
            return grpc.StatusCode.UNAVAILABLE, str(error)
        case _:
            log.error("publish.accept_failed", exc_info=error)
            return grpc.StatusCode.INTERNAL, "the sink failed; its log says why"


def _bind(server: grpc.aio.Server, listen: str, encryption: Encryption | None) -> str:
    address = f"[::]{listen}" if listen.startswith(":") else listen
    try:
        if encryption is None or address.startswith("unix:"):
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, encryption.server_credentials())
    except RuntimeError as error:
        raise AddressUnavailable(f"{listen}: cannot listen there: is it in use, or not of this machine?") from error
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).chmod(0o600)
        return address
    return f"{address.rpartition(':')[0]}:{port}"
