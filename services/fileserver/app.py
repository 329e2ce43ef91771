"""Answers requests: one MP3 for a link that is genuine, and nothing else for anybody.

The signature is judged before the disk is touched, so that without one an existing file and a missing one look alike.
A client that takes no bytes for `stall` is dropped. There is no directory listing, and no route but the two below.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from aiohttp import web

from services.fileserver.ranges import NotModified, Part, PreconditionFailed, Unsatisfiable, Whole, select
from services.fileserver.server import SERVER, error_response
from switchhook.errors import ObjectsError
from switchhook.links import RECORDING_ROUTE, RecordingName, Verdict, link_pbx, link_recipient, verify_link
from switchhook.objects import Gone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from services.fileserver.library import Library, Readable
    from services.fileserver.metrics import FileserverMetrics
    from services.fileserver.ranges import Selection
    from switchhook.links import LinkKey
    from switchhook.runtime.clock import Clock

HEALTH_ROUTE = "/healthz"

# Large enough that the hop into a thread is nothing, small enough that a thousand downloads fit into memory.
_CHUNK = 128 * 1024
_READERS = ("GET", "HEAD")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may listen: with `keys` only the holder of a signed link, without (None) whoever knows the path."""

    keys: Sequence[LinkKey] | None
    clock: Clock


class Downloads:
    """The two routes: recordings and health."""

    def __init__(self, library: Library, access: Access, metrics: FileserverMetrics, *, stall: timedelta) -> None:
        self._library = library
        self._access = access
        self._metrics = metrics
        self._stall = stall.total_seconds()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to any request; counts those for recordings."""
        path = request.rel_url.raw_path
        if path == HEALTH_ROUTE:
            return _health(request.method)
        if not path.startswith(RECORDING_ROUTE):
            return _not_found()
        response = await self._recording(request, path)
        self._metrics.requests.labels(str(response.status)).inc()
        return response

    async def _recording(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if request.method not in _READERS:
            return _not_allowed()
        began = time.monotonic()
        query = request.rel_url.raw_query_string
        if (refusal := self._refusal(path, query)) is not None:
            return refusal
        name = RecordingName.parse(path.removeprefix(RECORDING_ROUTE))
        try:
            found = await self._library.find(link_pbx(query), name) if name else None
        except (ObjectsError, OSError) as error:
            problem = error.strerror if isinstance(error, OSError) else str(error)
            log.warning("recording.unreadable", extra={"recording": str(name), "problem": problem})
            sentence = "the recording cannot be sent now: try again later"
            return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", sentence)
        if name is None or found is None:
            log.info("link.refused", extra={"reason": "unknown", "recording": str(name)})
            return _not_found()
        if isinstance(found, Gone):
            log.info("link.refused", extra={"reason": "gone", "recording": str(name), "gone": found.reason.value})
            return error_response(HTTPStatus.GONE, "gone", "this recording was deleted: it is no longer kept")
        try:
            return await self._send(request, found, name, began=began)
        finally:
            found.close()

    def _refusal(self, path: str, query: str) -> web.Response | None:
        if self._access.keys is None:
            return None
        verdict = verify_link(path, query, keys=self._access.keys, now=self._access.clock())
        match verdict:
            case Verdict.GENUINE:
                return None
            case Verdict.EXPIRED:
                sentence = "this link has expired: the recording is no longer kept"
                refusal = error_response(HTTPStatus.GONE, verdict.value, sentence)
            case Verdict.MISSING | Verdict.FORGED:
                sentence = (
                    "this link is not valid: use it exactly as it was sent, with everything after the question mark"
                )
                refusal = error_response(HTTPStatus.FORBIDDEN, verdict.value, sentence)
            case _:
                assert_never(verdict)
        log.info("link.refused", extra={"reason": verdict.value})
        return refusal

    async def _send(
        self, request: web.BaseRequest, recording: Readable, name: RecordingName, *, began: float
    ) -> web.StreamResponse:
        selection = select(request.method, request.headers, recording.representation)
        response, start, length = _head(selection, recording, name)
        sent = 0
        if length and request.method == "GET":
            sent = await self._stream(request, response, recording, (start, length), began=began)
        self._metrics.sent.inc(sent)
        query = request.rel_url.raw_query_string
        log.info(
            "link.served",
            extra={
                "recording": str(name),
                "pbx": link_pbx(query),
                "recipient": link_recipient(query),
                "status": response.status,
                "sent": sent,
                "complete": sent == length or request.method == "HEAD",
                "seconds": round(time.monotonic() - began, 4),
            },
        )
        return response

    async def _stream(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        recording: Readable,
        part: tuple[int, int],
        *,
        began: float,
    ) -> int:
        """Send `part` (start, length); returns the bytes handed over, fewer when the client gave up or stopped."""
        start, length = part
        offset = start
        try:
            while offset < start + length:
                chunk = await _read(recording, offset, min(_CHUNK, start + length - offset))
                async with asyncio.timeout(self._stall):
                    if offset == start:
                        await response.prepare(request)
                    await response.write(chunk)
                if offset == start:
                    self._metrics.first_byte.observe(time.monotonic() - began)
                offset += len(chunk)
        except (ObjectsError, OSError) as error:  # the connection's, the storage's, or the time limit's
            self._metrics.dropped.inc()
            log.debug("link.dropped", extra={"problem": type(error).__name__})
            # The rest will never come: an open connection would make the client wait for it.
            if request.transport is not None:
                request.transport.abort()
        return offset - start


async def _read(recording: Readable, offset: int, length: int) -> bytes:
    chunk = await recording.part(offset, length)
    if not chunk:
        raise ConnectionError("the file became shorter while it was sent")
    return chunk


def _head(selection: Selection, recording: Readable, name: RecordingName) -> tuple[web.StreamResponse, int, int]:
    """The response without its body, and the part of the file that belongs into it: start and length."""
    current = recording.representation
    validators = {"ETag": current.etag, "Last-Modified": format_datetime(current.modified, usegmt=True)}
    described = {
        **SERVER,
        **validators,
        "Accept-Ranges": "bytes",
        "Content-Type": "audio/mpeg",
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    match selection:
        case Whole():
            return _response(HTTPStatus.OK, described, current.size), 0, current.size
        case Part(start, length):
            described["Content-Range"] = f"bytes {start}-{start + length - 1}/{current.size}"
            return _response(HTTPStatus.PARTIAL_CONTENT, described, length), start, length
        case NotModified():
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={**SERVER, **validators}), 0, 0
        case PreconditionFailed():
            sentence = "the recording is not in the state that the request asks for"
            return error_response(HTTPStatus.PRECONDITION_FAILED, "precondition_failed", sentence), 0, 0
        case Unsatisfiable():
            outside = {"Content_Range": f"bytes */{current.size}", "Accept_Ranges": "bytes"}
            sentence = f"the recording has {current.size} bytes: the range lies outside"
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return error_response(status, "range_not_satisfiable", sentence, **outside), 0, 0
        case _:
            assert_never(selection)


def _response(status: HTTPStatus, headers: dict[str, str], length: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = length
    return response


def _health(method: str) -> web.Response:
    if method not in _READERS:
        return _not_allowed()
    return web.json_response({"status": "ok"}, headers=SERVER)


def _not_found() -> web.Response:
    return error_response(HTTPStatus.NOT_FOUND, "not_found", "there is no such recording")


def _not_allowed() -> web.Response:
    sentence = "recordings can only be read: use GET or HEAD"
    return error_response(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", sentence, Allow="GET, HEAD")
