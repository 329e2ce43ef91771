"""The control address: plays, faults, the clock and what happened. For tests and demonstrations, on loopback only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson
from aiohttp import web

from simulator.stage import CastChanges

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.clock import Clock
    from simulator.faults import Fault
    from simulator.feed import FrameFeed
    from simulator.play import Playbill
    from simulator.wire import Row

_TEXT_CHANGES = ("number", "trunk", "did", "ivr", "queue", "group", "extension", "colleague")


class Switchable(Protocol):
    """Whoever carries faults out."""

    def fault(
        self, name: str, *, on: bool = True, seconds: float | None = None, fraction: float | None = None
    ) -> Fault: ...


class Control:
    """Handlers of the control address; errors of the caller are 400 with a sentence."""

    def __init__(
        self, playbill: Playbill, clock: Clock, feed: FrameFeed, *, pbx: Switchable, state: Callable[[], Row]
    ) -> None:
        self._playbill = playbill
        self._clock = clock
        self._feed = feed
        self._pbx = pbx
        self._state = state

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/play", self._play)
        application.router.add_post("/fault", self._fault)
        application.router.add_post("/pause", self._pause)
        application.router.add_post("/resume", self._resume)
        application.router.add_get("/state", self._show_state)
        application.router.add_get("/journal", self._journal)
        application.router.add_get("/calls", self._calls)
        return application

    async def _play(self, request: web.Request) -> web.Response:
        """{"scenario", "variant" (text or list), "speed", "caller", and any field of the cast, "wait": true}"""
        asked = await _body(request)
        variants = asked.get("variant") or []
        speed = asked.get("speed")
        try:
            play = self._playbill.start(
                str(asked.get("scenario", "")),
                speed=float(str(speed)) if speed is not None else None,
                variants=[variants] if isinstance(variants, str) else [str(item) for item in _list(variants)],
                changes=_changes(asked),
            )
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, status=400)
        if asked.get("wait"):
            await play
        return _json(play.row())

    async def _fault(self, request: web.Request) -> web.Response:
        """{"name", "on" (default true), "seconds", "fraction"}"""
        asked = await _body(request)
        seconds, fraction = asked.get("seconds"), asked.get("fraction")
        try:
            fault = self._pbx.fault(
                str(asked.get("name", "")),
                on=bool(asked.get("on", True)),
                seconds=float(str(seconds)) if seconds is not None else None,
                fraction=float(str(fraction)) if fraction is not None else None,
            )
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return _json({"fault": fault, "state": self._state()})

    async def _pause(self, request: web.Request) -> web.Response:
        self._clock.pause()
        return _json(self._state())

    async def _resume(self, request: web.Request) -> web.Response:
        self._clock.resume()
        return _json(self._state())

    async def _show_state(self, request: web.Request) -> web.Response:
        return _json(self._state())

    async def _journal(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdigit():
            return _json({"error": "after is a number"}, status=400)
        return _json({"last": self._feed.sent, "frames": self._feed.journal(int(after))})

    async def _calls(self, request: web.Request) -> web.Response:
        plays = [*self._playbill.finished, *self._playbill.live]
        return _json({"calls": [play.row() for play in plays]})


def _changes(asked: Row) -> CastChanges:
    changes = CastChanges()
    if "caller" in asked:
        changes["number"] = str(asked["caller"])
    for name in _TEXT_CHANGES:
        if name in asked:
            changes[name] = str(asked[name])  # type: ignore[literal-required] # the names are CastChanges' own
    if "members" in asked:
        changes["members"] = tuple(str(item) for item in _list(asked["members"]))
    if "talk" in asked:
        changes["talk"] = float(str(asked["talk"]))
    if "transferred_talk" in asked:
        changes["transferred_talk"] = float(str(asked["transferred_talk"]))
    return changes


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a list is wanted")
    return value


async def _body(request: web.Request) -> Row:
    raw = await request.read()
    try:
        asked = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(asked, dict):
        raise web.HTTPBadRequest(text="the body is not an object")
    return asked


def _json(body: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
