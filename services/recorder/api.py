"""The admin API of the recorder: what is kept and until when, purges on demand, legal holds; JSON over HTTP.

Its addresses exist as long as the process does; while the recorder does not run, they say so.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from services.recorder.recording_log import RecordingLog, next_cursor, recording_document
from services.recorder.selection import FIELDS, HIGHEST_LIMIT, demand_known, invalid, parse_call, parse_selection
from switchhook.errors import AdminRefused, ObjectsError
from switchhook.runtime.api import json_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.recorder.recording_log import CallName
    from services.recorder.retention import Retention
    from services.recorder.selection import Selection
    from switchhook.runtime.clock import Clock
    from switchhook.storage import Database

ROOT = "/api/v1/recordings"


@dataclass(frozen=True, slots=True)
class _Desk:
    """Who answers, while the recorder runs."""

    log: RecordingLog
    retention: Retention


class RecorderApi:
    """See the module."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._desk: _Desk | None = None

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """All addresses."""
        return (
            web.get(ROOT, self._list),
            web.post(f"{ROOT}/purge", self._purge),
            web.post(f"{ROOT}/hold", self._hold),
            web.post(f"{ROOT}/release", self._release),
        )

    @contextmanager
    def opened(self, database: Database, *, retention: Retention) -> Iterator[None]:
        """While the context lasts, questions are answered from this database."""
        self._desk = _Desk(RecordingLog(database), retention)
        try:
            yield
        finally:
            self._desk = None

    async def _list(self, request: web.Request) -> web.Response:
        selection = parse_selection(dict(request.query), now=self._clock())
        page = await self._open_desk().log.page(selection)
        documents = [recording_document(each) for each in page]
        return json_response({"recordings": documents, "next": next_cursor(page, selection.limit)})

    async def _purge(self, request: web.Request) -> web.Response:
        body = await _body(request)
        is_dry_run = body.pop("dry_run", False)
        if not isinstance(is_dry_run, bool):
            raise invalid("dry_run: must be true or false")
        chosen = _texts(body)
        demand_known(chosen, FIELDS)
        for name, text in chosen.items():
            # Nothing chosen would be everything chosen.
            if not text or text.endswith("/"):
                raise invalid(f"{name}: is empty")
        if chosen:
            selection = parse_selection(chosen, now=self._clock())
            return await self._purge_chosen(replace(selection, limit=HIGHEST_LIMIT), is_dry_run=is_dry_run)
        desk = self._open_desk()
        files, size, held = await desk.log.expired(self._clock())
        if not is_dry_run:
            with _storage_answering():
                await desk.retention.purge()
                await desk.retention.enforce_quota()
        return json_response({"files": files, "bytes": size, "held": held, "dry_run": is_dry_run})

    async def _purge_chosen(self, selection: Selection, *, is_dry_run: bool) -> web.Response:
        desk, files, size, held = self._open_desk(), 0, 0, 0
        while True:
            page = await desk.log.page(selection)
            free = [each.file for each in page if not each.is_held]
            held += len(page) - len(free)
            if not is_dry_run:
                with _storage_answering():
                    free = await desk.retention.purge_these(free)
            files, size = files + len(free), size + sum(file.size for file in free)
            if len(page) < selection.limit:
                return json_response({"files": files, "bytes": size, "held": held, "dry_run": is_dry_run})
            selection = replace(selection, after=page[-1].place)

    async def _hold(self, request: web.Request) -> web.Response:
        call = await self._call(request)
        files = await self._open_desk().log.hold(call, at=self._clock())
        return json_response({"pbx": call.pbx, "call": call.call_id, "held": True, "files": files})

    async def _release(self, request: web.Request) -> web.Response:
        call = await self._call(request)
        files = await self._open_desk().log.release(call)
        return json_response({"pbx": call.pbx, "call": call.call_id, "held": False, "files": files})

    async def _call(self, request: web.Request) -> CallName:
        body = _texts(await _body(request))
        demand_known(body, ("call", "pbx"))
        pbx, call_id = parse_call(body)
        return await self._open_desk().log.only_call(pbx, call_id)

    def _open_desk(self) -> _Desk:
        if self._desk is None:
            raise AdminRefused(503, "not_running", "the recorder does not run at the moment: try again")
        return self._desk


@contextmanager
def _storage_answering() -> Iterator[None]:
    """What is deleted by then stays so; the rest is left to another try."""
    try:
        yield
    except (ObjectsError, OSError) as error:
        raise AdminRefused(503, "storage", f"recordings cannot be deleted: {error}") from error


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise invalid("the body must be JSON") from error
    if not isinstance(body, dict):
        raise invalid("the body must be a JSON object")
    return body


def _texts(body: Mapping[str, object]) -> dict[str, str]:
    texts = {name: value for name, value in body.items() if isinstance(value, str)}
    for name in body:
        if name not in texts:
            raise invalid(f"{name}: must be a text")
    return texts
