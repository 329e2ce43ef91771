"""The admin API of the dispatcher: the delivery log, replays, and the endpoints, as JSON over HTTP.

Its addresses exist as long as the process does; while the dispatcher does not run, they say so. Who may ask is the
admin server's business.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from services.dispatcher.api_parsing import parse_list, parse_replay, replay_cursor
from services.dispatcher.delivery_log import DeliveryLog
from services.dispatcher.endpoint_desk import EndpointDesk
from services.dispatcher.log_documents import (
    delivery_document,
    endpoint_document,
    page_document,
    replay_document,
)
from services.dispatcher.replay import Replay
from services.dispatcher.selection import invalid, parse_delivery_id
from switchhook.errors import AdminRefused
from switchhook.runtime.api import json_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.dispatcher.deliveries import Deliveries
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.engine import Engine
    from services.dispatcher.replay_order import ReplayTarget
    from switchhook.runtime.clock import Clock
    from switchhook.settings import Settings
    from switchhook.storage.database import Database

ROOT = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who answers, while the dispatcher runs."""

    log: DeliveryLog
    replay: Replay
    endpoints: EndpointDesk


class DispatcherApi:
    """`numbers` true shows whole telephone numbers also to those who do not ask. `pbx_names`: see `DeliveryLog`."""

    def __init__(self, *, clock: Clock, numbers: bool = False, pbx_names: Sequence[str] = ()) -> None:
        self._clock = clock
        self._numbers = numbers
        self._pbx_names = pbx_names
        self._desk: Desk | None = None

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock) -> DispatcherApi:
        """The API of a configuration."""
        return cls(clock=clock, numbers=settings.telemetry.log_numbers, pbx_names=[pbx.name for pbx in settings.pbx])

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """All addresses."""
        return (
            web.get(f"{ROOT}/deliveries", self._list),
            web.post(f"{ROOT}/deliveries/replay", self._replay),
            web.get(f"{ROOT}/deliveries/{{id}}", self._show),
            web.get(f"{ROOT}/endpoints", self._endpoints),
            web.post(f"{ROOT}/endpoints/{{name}}/pause", self._pause),
            web.post(f"{ROOT}/endpoints/{{name}}/resume", self._resume),
        )

    @contextmanager
    def opened(
        self, database: Database, *, engine: Engine, deliveries: Deliveries, endpoints: Sequence[Endpoint]
    ) -> Iterator[None]:
        """While the context lasts, questions are answered from this database and by this engine."""

        def done(targets: Sequence[ReplayTarget]) -> None:
            for endpoint, call in {(target.endpoint, target.call) for target in targets}:
                deliveries.doubt(endpoint, call)
            for endpoint, count in Counter(target.endpoint for target in targets).items():
                engine.added(endpoint, count)

        log = DeliveryLog(database, pbx_names=self._pbx_names)
        self._desk = Desk(
            log=log,
            replay=Replay(database, log=log, endpoints=endpoints, done=done),
            endpoints=EndpointDesk(endpoints, states=engine.endpoints, log=log),
        )
        try:
            yield
        finally:
            self._desk = None

    async def _list(self, request: web.Request) -> web.Response:
        question = parse_list({key: request.query.getall(key) for key in request.query}, now=self._clock())
        page = await self._open_desk().log.page(question.selection, limit=question.limit, after=question.after)
        return json_response(page_document(page, numbers=question.numbers or self._numbers))

    async def _show(self, request: web.Request) -> web.Response:
        wanted = parse_delivery_id(request.match_info["id"])
        log = self._open_desk().log
        delivery = await log.one(wanted)
        if delivery is None:
            raise AdminRefused(404, "no_such_delivery", f"delivery {wanted}: is not in the log (any more)")
        numbers = request.query.get("numbers") == "true" or self._numbers
        return json_response(delivery_document(delivery, await log.attempts(delivery), numbers=numbers))

    async def _replay(self, request: web.Request) -> web.Response:
        now = self._clock()
        order, progress = parse_replay(await _body(request), now=now)
        desk = self._open_desk()
        if order.to is not None:
            desk.endpoints.demand(order.to)
        replayed = await desk.replay.run(order, progress, now=now)
        cursor = None if replayed.after is None else replay_cursor(replayed.after)
        return json_response(replay_document(replayed, is_dry_run=order.is_dry_run, cursor=cursor))

    async def _endpoints(self, request: web.Request) -> web.Response:
        reports = await self._open_desk().endpoints.reports()
        numbers = request.query.get("numbers") == "true" or self._numbers
        return json_response({"endpoints": [endpoint_document(report, numbers=numbers) for report in reports]})

    async def _pause(self, request: web.Request) -> web.Response:
        report = await self._open_desk().endpoints.pause(request.match_info["name"])
        return json_response(endpoint_document(report, numbers=self._numbers))

    async def _resume(self, request: web.Request) -> web.Response:
        report = await self._open_desk().endpoints.resume(request.match_info["name"])
        return json_response(endpoint_document(report, numbers=self._numbers))

    def _open_desk(self) -> Desk:
        if self._desk is None:
            raise AdminRefused(503, "starting", "the dispatcher of this process is not running (yet): ask again")
        return self._desk


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise invalid(f"body: is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise invalid("body: must be a JSON object")
    return body
