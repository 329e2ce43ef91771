"""Answers requests: one recording for a link that is genuine, and nothing else for anybody.

The signature is judged before the storage is touched, so that without one an existing file and a missing one look
alike. A client that takes no bytes for a while is dropped. There is no listing, and no route but the three below.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from services.fileserver.accepting import wants_page
from services.fileserver.admittance import Admitted
from services.fileserver.heads import head_of
from services.fileserver.multipart import Multipart
from services.fileserver.paging import ASSETS_ROUTE
from services.fileserver.ranges import Part, select
from services.fileserver.refusals import Refusal, answer_to
from services.fileserver.sending import Sending
from services.fileserver.served import Served, leading_to
from services.fileserver.server import SERVER, error_response
from switchhook.errors import ObjectsError, ObjectsUnreachable
from switchhook.links import RECORDING_ROUTE
from switchhook.objects import Gone

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.fileserver.admittance import Admittance
    from services.fileserver.cors import Cors
    from services.fileserver.heads import Head
    from services.fileserver.library import Library, Recording
    from services.fileserver.metrics import FileserverMetrics
    from services.fileserver.paging import Pages
    from services.fileserver.register import Listen
    from switchhook.objects import Objects, OpenObject
    from switchhook.runtime.clock import Clock
    from switchhook.telemetry.tracing import Tracing

HEALTH_ROUTE = "/healthz"
_READERS = ("GET", "HEAD")
_REDIRECT_LIFE = timedelta(minutes=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the answers are made of. `redirects` sends listeners to the bucket itself; `stall` is in seconds."""

    admittance: Admittance
    library: Library
    objects: Objects
    pages: Pages
    cors: Cors
    metrics: FileserverMetrics
    tracing: Tracing
    clock: Clock
    redirects: bool
    stall: float


class Downloads:
    """The three routes: recordings, what their page loads, and health. `noted` is told of every download."""

    def __init__(self, parts: Parts, noted: Callable[[Listen], None]) -> None:
        self._parts = parts
        self._noted = noted

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to any request; counts those for recordings."""
        path = request.rel_url.raw_path
        if path == HEALTH_ROUTE:
            return _health(request.method)
        if path.startswith(ASSETS_ROUTE):
            return self._asset(request.method, path.removeprefix(ASSETS_ROUTE))
        if not path.startswith(RECORDING_ROUTE):
            return _not_found()
        response = await self._recording(request, path)
        self._parts.metrics.request(response.status)
        return response

    def _asset(self, method: str, name: str) -> web.Response:
        if method not in _READERS:
            return _not_allowed()
        return self._parts.pages.asset(name) or _not_found()

    async def _recording(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        parts = self._parts
        if request.method == "OPTIONS":
            return parts.cors.preflight(request.headers) or _not_allowed()
        if request.method not in _READERS:
            return _not_allowed()
        began = time.monotonic()
        admitted = parts.admittance.judge(request, path)
        if not isinstance(admitted, Admitted):
            return self._refused(request, admitted)
        try:
            found = await parts.library.find(admitted.pbx, admitted.name)
        except ObjectsError as error:
            return self._refused(request, _trouble(error, str(admitted.name)))
        if found is None:
            return self._refused(request, Refusal.unknown(str(admitted.name)))
        if isinstance(found, Gone):
            return self._refused(request, Refusal.gone(found))
        try:
            return await self._found(_Heard(request, found, admitted, began))
        except ObjectsError as error:
            return self._refused(request, _trouble(error, str(admitted.name)))
        finally:
            found.body.close()

    def _refused(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        if refusal.is_logged:
            log.info("link.refused", extra={"reason": refusal.error, **refusal.facts})
        is_page = wants_page(request.headers, request.query)
        response = answer_to(refusal, pages=self._parts.pages if is_page else None)
        self._parts.cors.allow(request.headers, response)
        return response

    async def _found(self, heard: _Heard) -> web.StreamResponse:
        request, recording = heard.request, heard.recording
        if self._parts.admittance.has_revoked(heard.admitted, recording.pbx):
            return self._refused(request, Refusal.revoked())
        if request.method == "GET" and wants_page(request.headers, request.query):
            return self._parts.pages.player(recording, request.rel_url.raw_query_string)
        if (address := await self._address_elsewhere(request, recording.body.object)) is not None:
            response = web.Response(
                status=HTTPStatus.FOUND, headers={**SERVER, "Location": address, "Cache-Control": "no-store"}
            )
            self._parts.cors.allow(request.headers, response)
            self._note(heard, response.status, sent=0, is_complete=True)
            return response
        selection = select(request.method, request.headers, recording.representation)
        head = head_of(selection, recording, as_download=request.query.get("download") == "1")
        self._parts.cors.allow(request.headers, head.response)
        first_byte = lambda: self._parts.metrics.first_byte.observe(time.monotonic() - heard.began)  # noqa: E731 - one measure
        sending = Sending(request, head.response, stall=self._parts.stall, began=first_byte)
        try:
            if head.length and request.method == "GET":
                await self._send(sending, heard, head)
        except asyncio.CancelledError:  # at a stop: what was heard until then was heard
            self._note(heard, head.response.status, sent=sending.sent, is_complete=False)
            raise
        is_complete = sending.sent == head.length or request.method == "HEAD"
        self._note(heard, head.response.status, sent=sending.sent, is_complete=is_complete)
        return head.response

    async def _address_elsewhere(self, request: web.BaseRequest, stored: OpenObject | None) -> str | None:
        # The player page may load from here only; and the address is signed for GET.
        is_elsewhere = self._parts.redirects and request.method == "GET" and request.query.get("player") != "1"
        if not is_elsewhere or stored is None:
            return None
        return await self._parts.objects.presigned(stored, _REDIRECT_LIFE)

    async def _send(self, sending: Sending, heard: _Heard, head: Head) -> None:
        """Hand over the bytes, fewer than there are when the client gave up or stopped, or the storage failed."""
        request, recording, metrics = heard.request, heard.recording, self._parts.metrics
        try:
            match head.content:
                case Part():
                    await sending.part(recording.body, head.content)
                case Multipart():
                    for text, part in head.content.pieces:
                        await sending.text(text)
                        await sending.part(recording.body, part)
                    await sending.text(head.content.end)
        except (OSError, ObjectsError) as error:  # the connection's, the storage's, or the time limit's
            if not head.response.prepared and isinstance(error, ObjectsError):
                raise
            metrics.dropped.inc()
            log.debug("link.dropped", extra={"problem": type(error).__name__})
            # The rest will never come: an open connection would make the client wait for it.
            if request.transport is not None:
                request.transport.abort()
        finally:
            metrics.sent.inc(sending.sent)

    def _note(self, heard: _Heard, status: int, *, sent: int, is_complete: bool) -> None:
        served = Served(
            recording=heard.recording,
            admitted=heard.admitted,
            parent=leading_to(heard.request, heard.recording, heard.admitted),
            status=status,
            sent=sent,
            is_complete=is_complete,
            at=self._parts.clock(),
            took=timedelta(seconds=time.monotonic() - heard.began),
        )
        served.log()
        served.trace(self._parts.tracing)
        if not served.is_self_check:
            self._noted(served.listen())


@dataclass(frozen=True, slots=True)
class _Heard:
    """A download under way; `began` in seconds of the monotonic clock."""

    request: web.BaseRequest
    recording: Recording
    admitted: Admitted
    began: float


def _trouble(error: ObjectsError, name: str) -> Refusal:
    log.warning("recording.unreadable", extra={"recording": name, "problem": str(error)})
    return Refusal.unavailable() if isinstance(error, ObjectsUnreachable) else Refusal.broken()


def _health(method: str) -> web.Response:
    if method not in _READERS:
        return _not_allowed()
    return web.json_response({"status": "ok"}, headers=SERVER)


def _not_found() -> web.Response:
    return error_response(HTTPStatus.NOT_FOUND, "not_found", "there is no such recording")


def _not_allowed() -> web.Response:
    sentence = "recordings can only be read: use GET or HEAD"
    return error_response(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", sentence, Allow="GET, HEAD")
