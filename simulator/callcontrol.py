"""/callcontrol: which path gives what. It knows paths, visibility and status codes; actions do the deeds.

The same answers go out over HTTP and, for requests on the websocket, as events of type 4.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

import orjson

from simulator.actions import Actions, Order, OrderRefused, read_order
from simulator.answer import Answer, refused
from simulator.faults import Fault, Faults
from simulator.wire import device_row, dn_body, dn_head, with_unknown_field

if TYPE_CHECKING:
    from simulator.exchange import Exchange
    from simulator.feed import FrameFeed
    from simulator.model import Leg
    from simulator.numbering import Dn

_NOT_FOUND = refused(HTTPStatus.NOT_FOUND, "there is no such object")
_FORBIDDEN = refused(HTTPStatus.FORBIDDEN, "this client may not see this DN")
_NO_LICENCE = refused(HTTPStatus.FORBIDDEN, "the licence does not contain the call control API")
_WRONG_METHOD = refused(HTTPStatus.METHOD_NOT_ALLOWED, "the path exists with another method")


class CallControl:
    """Answers requests about live calls."""

    def __init__(self, exchange: Exchange, feed: FrameFeed, faults: Faults, actions: Actions) -> None:
        self._exchange = exchange
        self._feed = feed
        self._faults = faults
        self._actions = actions
        self._head_by_number: dict[str, bytes] = {}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """`path` is the raw one, percent-encoded, beginning with /callcontrol."""
        if self._faults.on(Fault.NO_LICENCE):
            return _NO_LICENCE
        parts = path.partition("?")[0].strip("/").split("/")[1:]
        if not parts:
            return self._snapshot() if method == "GET" else _WRONG_METHOD
        dn = self._exchange.directory.by_number.get(unquote(parts[0]))
        if dn is None:
            return _NOT_FOUND
        if not self._feed.sees(dn.number):
            return _FORBIDDEN
        match parts[1:]:
            case ["participants", identity] if method == "GET":
                leg = self._exchange.leg(dn.number, _number(identity))
                return Answer(200, self._body(leg)) if leg is not None and not leg.call.hidden else _NOT_FOUND
            case ["makecall"] | ["devices", _, "makecall"] | ["participants", _, _]:
                return self._post(method, dn, parts[1:], body)
            case _ if method != "GET":
                return _WRONG_METHOD
            case rest:
                return self._get(dn, rest)

    def _get(self, dn: Dn, rest: list[str]) -> Answer:
        match rest:
            case []:
                return Answer(200, self._dn(dn))
            case ["participants"]:
                return Answer(200, b"[" + b",".join(self._participants(dn)) + b"]")
            case ["devices"]:
                return Answer(200, orjson.dumps([device_row(dn)] if dn.device_id else []))
            case ["devices", device] if dn.device_id and unquote(device) == dn.device_id:
                return Answer(200, orjson.dumps(device_row(dn)))
            case _:
                return _NOT_FOUND

    def _post(self, method: str, dn: Dn, rest: list[str], body: bytes) -> Answer:
        if method != "POST":
            return _WRONG_METHOD
        try:
            order = read_order(body)
        except OrderRefused as error:
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        match rest:
            case ["devices", device, "makecall"] if unquote(device) != dn.device_id:
                return _NOT_FOUND
            case ["participants", identity, action]:
                return self._act(dn, _number(identity), action, order)
            case _:
                return self._actions.make_call(dn, order)

    def _act(self, dn: Dn, identity: int, action: str, order: Order) -> Answer:
        leg = self._exchange.leg(dn.number, identity)
        if leg is None:
            return _NOT_FOUND
        return self._actions.control(leg, action, order)

    def _snapshot(self) -> Answer:
        visible = [dn for dn in self._exchange.directory.by_number.values() if self._feed.sees(dn.number)]
        return Answer(200, b"[" + b",".join(map(self._dn, visible)) + b"]")

    def _dn(self, dn: Dn) -> bytes:
        head = self._head_by_number.get(dn.number)
        if head is None:  # the plan never changes, and a snapshot of a large PBX must not cost its calls their time
            head = self._head_by_number[dn.number] = dn_head(dn)
        return dn_body(head, self._participants(dn))

    def _participants(self, dn: Dn) -> list[bytes]:
        legs = self._exchange.legs.get(dn.number, {}).values()
        return [self._body(leg) for leg in legs if not leg.call.hidden]

    def _body(self, leg: Leg) -> bytes:
        return with_unknown_field(leg.body) if self._faults.on(Fault.UNKNOWN_WORDS) else leg.body


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
