"""The websocket of one PBX: every frame becomes an update, in the order of the frames.

An Upsert names a leg and does not show it, so it is read at once, by a request over the same socket: a call then costs
no HTTP request per frame. Updates wait in line for the answers of those before them. An answer that does not come in
time, or a PBX that does not answer over the socket, is made good by reading over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import orjson

from services.monitor.calls.legs import LegStatus
from services.monitor.payloads import Frame, FrameType, PayloadError, read_frame, read_leg
from switchhook.errors import PbxError, PbxNotFound, PbxUnreachable
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from services.monitor.calls.legs import Leg, LegKey
    from services.monitor.calls.numbering import NumberingPlan
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT = 3.0  # seconds
_CHECK_EVERY = 0.5  # seconds between looks for overdue answers
# Counted and not measured: after a standstill of this machine the answers are there, and wait to be read.
_OVERDUE_AT = 7  # looks; three seconds and a half at most
# A PBX that sends so much more than it answers is left, and its snapshot asked for: that is the shorter question.
_LONGEST_LINE = 50_000  # updates
_MOST_READS = 500  # legs that are read over HTTP at the same time
_CLOSED = "the websocket was closed by the PBX"
_FRAMES_AT_ONCE = 50  # a socket that is never empty lets the other PBXs have their turn after so many


class Witness(Protocol):
    """Sees what the PBX shows, as it shows it."""

    def leg(self, shown: object, leg: Leg | None) -> None:
        """A participant, and what was read from it; None when it cannot be read."""

    def frame(self, event_type: int, entity: str, attached: object) -> None:
        """A frame that is neither a change of a leg nor an answer."""

    def unreadable(self) -> None:
        """A message that is no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegUpdate:
    """What became of a leg at `at`; `leg` is None when it is gone."""

    key: LegKey
    leg: Leg | None
    at: datetime


@dataclass(slots=True, kw_only=True)
class _Awaited:
    """A frame in line; `update` is None until its leg was read, and stays so for a leg that cannot be read."""

    key: LegKey
    entity: str
    at: datetime
    update: LegUpdate | None = None
    is_settled: bool = False
    looks: int = 0  # that found it unanswered


class Feed:
    """One connection; `run` ends with `PbxUnreachable` when the socket does."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        read: Callable[[str], Awaitable[object]],
        *,
        plan: Callable[[], NumberingPlan],
        clock: Clock,
        count: Callable[[str], None],
        witness: Witness | None = None,
    ) -> None:
        """`read` gets an object over HTTP by its path; `count` is told of every frame's kind, and of oddities."""
        self._socket = socket
        self._read = read
        self._plan = plan
        self._clock = clock
        self._count = count
        self._witness = witness
        self._line: deque[_Awaited] = deque()
        self._asked: dict[str, _Awaited] = {}
        self._requests = 0
        self._apply: Callable[[LegUpdate], None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._replies: dict[str, asyncio.Future[tuple[object, object]]] = {}
        self._overdue: asyncio.Task[None] | None = None
        self._is_answering = False
        self._reads: set[asyncio.Task[None]] = set()
        self._complaints: set[str] = set()
        self._is_mute = False  # this PBX does not answer requests over the socket

    @property
    def is_reading(self) -> bool:
        """True while a leg is being read of which a frame told."""
        return bool(self._asked)

    async def read(self, path: str) -> object:
        """An object read over the socket; None where that cannot be done, for example because of its size."""
        if self._is_mute:
            return None
        request_id = self._next_id()
        answer = self._replies[request_id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                await self._request(request_id, path)
                status, body = await answer
                body = orjson.loads(body) if isinstance(body, str) else body
        except (TimeoutError, ConnectionError, orjson.JSONDecodeError):
            return None
        finally:
            del self._replies[request_id]
        return body if status == HTTPStatus.OK else None

    def release(self, apply: Callable[[LegUpdate], None]) -> None:
        """Hands out what was held back since the connection was made, and everything from now on."""
        self._apply = apply
        self._hand_out()

    async def run(self) -> None:
        """Reads frames until the socket closes."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                frames = 0
                async for message in self._socket:
                    if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        await self._receive(message.data)
                    self._hand_out()
                    frames += 1
                    if frames % _FRAMES_AT_ONCE == 0:
                        await asyncio.sleep(0)
            finally:  # what is still asked is for the next connection to know, which must not wait for it
                for task in (self._overdue, *self._reads):
                    if task is not None:
                        task.cancel()
        raise PbxUnreachable(_CLOSED)

    async def _receive(self, data: str | bytes) -> None:
        try:
            frame = read_frame(orjson.loads(data))
        except (PayloadError, orjson.JSONDecodeError) as error:
            self._count("unreadable")
            if self._witness is not None:
                self._witness.unreadable()
            log.debug("feed.unreadable", extra={"reason": str(error)})
            return
        match frame.type:
            case FrameType.RESPONSE:
                self._answered(frame.attached or {})
            case _ if len(self._line) >= _LONGEST_LINE:
                raise PbxUnreachable(f"the PBX owes answers to {_LONGEST_LINE} frames")
            case FrameType.UPSERT if frame.key is not None:
                self._count("upsert")
                await self._upserted(frame, frame.key)
            case FrameType.REMOVE if frame.key is not None:
                self._count("remove")
                at = self._clock()
                update = LegUpdate(key=frame.key, leg=None, at=at)
                self._line.append(_Awaited(key=frame.key, entity=frame.entity, at=at, update=update, is_settled=True))
            case _:
                self._count("other")
                if self._witness is not None:
                    self._witness.frame(frame.type, frame.entity, frame.attached)

    async def _upserted(self, frame: Frame, key: LegKey) -> None:
        awaited = _Awaited(key=key, entity=frame.entity, at=self._clock())
        self._line.append(awaited)
        if frame.attached is not None and "callid" in frame.attached:
            self._settle(awaited, frame.attached)
            return
        if self._is_mute:
            self._read_by_http(awaited)
            return
        request_id = self._next_id()
        self._asked[request_id] = awaited
        self._look_later()
        try:
            await self._request(request_id, frame.entity)
        except ConnectionError as error:  # closed while frames that had come before were still to be read
            raise PbxUnreachable(_CLOSED) from error

    def _next_id(self) -> str:
        self._requests += 1
        return str(self._requests)

    async def _request(self, request_id: str, path: str) -> None:
        request = {"RequestID": request_id, "Path": path, "RequestData": None}
        await self._socket.send_str(orjson.dumps(request).decode())

    def _answered(self, answer: Mapping[str, Any]) -> None:
        request_id = str(answer.get("RequestID"))
        status, body = answer.get("StatusCode"), answer.get("Response")
        reply = self._replies.get(request_id)
        if reply is not None and not reply.done():
            reply.set_result((status, body))
            return
        awaited = self._asked.get(request_id)
        if awaited is None or status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            return  # one that was refused is overdue in a moment, and read over HTTP
        try:
            participant = orjson.loads(body) if isinstance(body, str) and status == HTTPStatus.OK else body
        except orjson.JSONDecodeError:
            self._count("unreadable")
            return
        del self._asked[request_id]
        self._is_answering = True
        self._settle(awaited, None if status == HTTPStatus.NOT_FOUND else participant)

    def _settle(self, awaited: _Awaited, participant: object) -> None:
        """The first answer counts: a later one, to a question that was asked again, tells of a later moment."""
        if awaited.is_settled:
            return
        awaited.is_settled = True
        if participant is None:
            awaited.update = LegUpdate(key=awaited.key, leg=None, at=awaited.at)
            return
        try:
            leg = read_leg(participant, self._plan())
        except PayloadError as error:
            self._count("unreadable")
            if self._witness is not None:
                self._witness.leg(participant, None)
            self._complain("feed.unreadable", awaited, error)
            return
        if leg.kind is DnKind.UNKNOWN or leg.status is LegStatus.UNKNOWN:
            self._count("unknown")
        if self._witness is not None:
            self._witness.leg(participant, leg)
        awaited.update = LegUpdate(key=awaited.key, leg=leg, at=awaited.at)

    def _complain(self, event: str, awaited: _Awaited, error: Exception) -> None:
        """Once for each connection: counters tell of all, and a broken PBX must not fill the log."""
        level = logging.DEBUG if event in self._complaints else logging.WARNING
        self._complaints.add(event)
        log.log(level, event, extra={"dn": awaited.key[0], "reason": str(error)})

    def _hand_out(self) -> None:
        if self._apply is None:
            return
        while self._line and self._line[0].is_settled:
            awaited = self._line.popleft()
            if awaited.update is not None:
                self._apply(awaited.update)

    def _look_later(self) -> None:
        """Only while something was asked: what looks twice a second for each of many quiet PBXs is never at rest."""
        if self._overdue is None and self._tasks is not None:
            self._overdue = self._tasks.create_task(self._read_overdue())

    async def _read_overdue(self) -> None:
        while self._asked:
            await asyncio.sleep(_CHECK_EVERY)
            for awaited in self._asked.values():
                awaited.looks += 1
            overdue = [(request_id, one) for request_id, one in self._asked.items() if one.looks == _OVERDUE_AT]
            if overdue and not self._is_answering and not self._is_mute:
                self._is_mute = True
                log.warning("feed.reads_over_http", extra={"reason": "the PBX does not answer over the websocket"})
            for request_id, awaited in overdue:
                self._read_by_http(awaited, request_id)
        self._overdue = None

    def _read_by_http(self, awaited: _Awaited, request_id: str = "") -> None:
        self._count("read_over_http")
        if len(self._reads) >= _MOST_READS:
            raise PbxUnreachable(f"the PBX owes answers to {_MOST_READS} frames, over HTTP too")
        if self._tasks is not None:
            task = self._tasks.create_task(self._read_over_http(awaited, request_id))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _read_over_http(self, awaited: _Awaited, request_id: str) -> None:
        try:
            self._settle(awaited, await self._read(awaited.entity))
        except PbxNotFound:
            self._settle(awaited, None)
        except PbxError as error:
            if not awaited.is_settled:
                awaited.is_settled = True  # a snapshot will tell
                self._complain("feed.leg_not_read", awaited, error)
        self._asked.pop(request_id, None)
        self._hand_out()
