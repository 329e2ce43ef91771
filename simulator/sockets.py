"""/callcontrol/ws: one session for each connected client, with events pushed and requests answered.

A session has one task that sends and one that reads, whatever the number of frames. A client that does not read is
disconnected when its outbox is full.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import WSMsgType, web

from simulator.answer import Answer, refused
from simulator.faults import Fault, Faults
from simulator.wire import EventType, event_body, frame

if TYPE_CHECKING:
    from simulator.callcontrol import CallControl
    from simulator.feed import FrameFeed

_OUTBOX_LIMIT = 100_000
_CLOSE_TIMEOUT = 1.0
_ORDERS: Final = frozenset(
    {"makecall", "drop", "answer", "divert", "routeto", "transferto", "attach_participant_data", "attach_party_data"}
)


class SocketSession:
    """One websocket."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self._transport = transport
        self._outbox: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._sequence = 0
        self._closing = False

    def post(self, event: bytes) -> None:
        """Put an event on its way; never waits."""
        if self._closing:
            return
        self._sequence += 1
        self._outbox.append(frame(self._sequence, event))
        self._wake.set()
        if len(self._outbox) > _OUTBOX_LIMIT and self._transport is not None:
            self._closing = True
            self._transport.abort()  # a closing handshake would wait for a client that does not read

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    async def pump(self) -> None:
        """Send what is posted until closed."""
        while True:
            await self._wake.wait()  # for as long as the client stays
            self._wake.clear()
            while self._outbox and not self._closing:
                await self._socket.send_frame(self._outbox.popleft(), WSMsgType.TEXT)
            if self._closing:
                await self._socket.close(code=1001)
                return


class Sockets:
    """All sessions."""

    def __init__(self, control: CallControl, feed: FrameFeed, faults: Faults, *, message_limit: int) -> None:
        self.sessions: set[SocketSession] = set()
        self.requests = 0
        self._control = control
        self._feed = feed
        self._faults = faults
        self._message_limit = message_limit

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Speak with one client until it leaves; the bearer was checked before."""
        socket = web.WebSocketResponse(compress=False, timeout=_CLOSE_TIMEOUT)
        await socket.prepare(request)
        session = SocketSession(socket, request.transport)
        self.sessions.add(session)
        self._feed.sockets.add(session)
        try:
            async with asyncio.TaskGroup() as group:
                pump = group.create_task(session.pump())
                await self._read(socket, session)
                pump.cancel()
        except* ConnectionError:  # the client went away while a frame was on its way
            pass
        finally:
            self.sessions.discard(session)
            self._feed.sockets.discard(session)
        return socket

    def close_all(self) -> None:
        for session in list(self.sessions):
            self._feed.sockets.discard(session)
            session.close()

    async def _read(self, socket: web.WebSocketResponse, session: SocketSession) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                delay = self._faults.seconds(Fault.SLOW)
                if delay:
                    await asyncio.sleep(delay)
                event = self._answer(message.data)
                if event is not None:
                    session.post(event)
            elif message.type is WSMsgType.ERROR:
                return

    def _answer(self, text: str) -> bytes | None:
        """The event that answers a request; None for what is no request: the PBX says nothing to it."""
        try:
            asked = orjson.loads(text)
            path, content = asked["Path"], asked.get("RequestData")
            identity = asked.get("RequestID")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return None
        if not isinstance(path, str):
            return None
        self.requests += 1
        answer = self._carry_out(path, content)
        head = orjson.dumps({"RequestID": identity, "Path": path, "StatusCode": answer.status})
        return event_body(EventType.RESPONSE, path, head[:-1] + b',"Response":' + answer.body + b"}")

    def _carry_out(self, path: str, content: object) -> Answer:
        if self._faults.strikes(Fault.ERROR_500):
            return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "something failed")
        if not path.startswith("/callcontrol"):
            return refused(HTTPStatus.NOT_FOUND, "only paths of /callcontrol")
        ordered = content is not None or path.rpartition("/")[2] in _ORDERS
        body = b"" if content is None else content.encode() if isinstance(content, str) else orjson.dumps(content)
        answer = self._control.answer("POST" if ordered else "GET", path, body)
        if len(answer.body) > self._message_limit:
            return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large for a message; ask over HTTP")
        return answer
