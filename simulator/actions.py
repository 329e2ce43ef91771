"""What a client may order: start a call, and drop, answer, divert or transfer a leg. Each really changes the model.

An order takes the call from whoever drives it and gives it to a coroutine that lets the other side react.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

from simulator import orders
from simulator.answer import Answer, refused, result
from simulator.model import Call, Direction, Leg, LegStatus, Party
from simulator.numbering import Dn, DnKind
from simulator.outgoing import open_makecall
from simulator.stage import Cast, Stage, call_inside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.exchange import Exchange
    from simulator.options import SimulatorOptions
    from simulator.play import Playbill

_REASONS: Final = frozenset(
    {
        "None",
        "NoAnswer",
        "PhoneBusy",
        "PhoneNotRegistered",
        "ForwardAll",
        "BasedOnCallerID",
        "BasedOnDID",
        "OutOfOfficeHours",
        "BreakTime",
        "Holiday",
        "OfficeHours",
        "NoDestinations",
        "Polling",
        "CallbackRequested",
        "Callback",
    }
)
_CAN_RING = frozenset({DnKind.EXTENSION, DnKind.ROUTE_POINT})


class OrderRefused(Exception):
    """The body of an order is not of the documented form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The body of makecall and of the actions; `timeout` in seconds, 0: none given."""

    destination: str = ""
    timeout: int = 0
    attached: Mapping[str, str]


def read_order(body: bytes) -> Order:
    """Raises OrderRefused for what the PBX answers with 422."""
    try:
        given = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError:
        raise OrderRefused("the body is not JSON") from None
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise OrderRefused("the body is not an object")
    destination, timeout = given.get("destination") or "", given.get("timeout") or 0
    attached = given.get("attacheddata") or {}
    if not isinstance(destination, str) or not isinstance(timeout, int) or not isinstance(attached, dict):
        raise OrderRefused("destination is text, timeout a number, attacheddata an object")
    if (given.get("reason") or "None") not in _REASONS:
        raise OrderRefused("reason is none of the known ones")
    return Order(destination=destination.strip(), timeout=timeout, attached=attached)


class Actions:
    """Carries orders out."""

    def __init__(self, exchange: Exchange, playbill: Playbill, options: SimulatorOptions) -> None:
        self._exchange = exchange
        self._playbill = playbill
        self._options = options

    def make_call(self, dn: Dn, order: Order) -> Answer:
        """Have a DN call a number; the call is Dialing when this answers."""
        if not order.destination:
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "destination is missing")
        target = self._exchange.directory.by_number.get(order.destination)
        leg = self._call_outside(dn, order) if target is None else self._call_inside(dn, target, order)
        return result(HTTPStatus.OK, final="Success", text="", participant=leg.body)

    def control(self, leg: Leg, action: str, order: Order) -> Answer:
        match action:
            case "drop":
                self._drop(leg)
            case "answer" if leg.participant.status is LegStatus.RINGING:
                self._answer(leg)
            case "divert" if leg.participant.status is LegStatus.RINGING:
                return self._send_on(leg, order, divert=True)
            case "routeto" | "transferto" if leg.participant.status is LegStatus.CONNECTED:
                return self._send_on(leg, order, divert=False)
            case "attach_participant_data" | "attach_party_data":
                self._exchange.repeat(leg)
            case "answer" | "divert" | "routeto" | "transferto":
                text = f"{action} is not possible while {leg.participant.status}"
                return result(HTTPStatus.FAILED_DEPENDENCY, final="Failed", text=text, participant=leg.body)
            case _:
                return refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"unknown action {action}")
        return result(HTTPStatus.ACCEPTED, final="Success", text="", participant=leg.body)

    def drop_call(self, call: Call) -> None:
        """Everybody hangs up (XAPI's DropCall)."""
        stage = self._playbill.take_over(call, _cast(call, ""))
        stage.end("Ended by the administrator")

    def _drop(self, leg: Leg) -> None:
        call = leg.call
        if leg.participant.status is LegStatus.RINGING and len(call.legs) > 1:
            self._exchange.leave(leg, f"Rejected by {leg.dn}")
            return
        stage = self._playbill.take_over(call, _cast(call, leg.dn))
        stage.end(stage.ended_by(leg.dn))

    def _answer(self, leg: Leg) -> None:
        stage = self._playbill.take_over(leg.call, _cast(leg.call, leg.dn))
        others = [other for other in leg.call.legs.values() if other is not leg]
        stage.pick_up(leg)
        for other in others:
            if other.participant.status is LegStatus.DIALING:
                self._exchange.connect(other)
            else:
                stage.leave(other, stage.replaced(other.dn, leg.dn))
        self._playbill.drive(stage, orders.talk(stage, limit=self._talk_limit))

    def _send_on(self, leg: Leg, order: Order, *, divert: bool) -> Answer:
        if not order.destination:
            return refused(HTTPStatus.UNPROCESSABLE_ENTITY, "destination is missing")
        call = leg.call
        partner = next((other.dn for other in call.legs.values() if other is not leg), leg.dn)
        stage = self._playbill.take_over(call, _cast(call, leg.dn if call.outside is not None else partner))
        target = self._exchange.directory.by_number.get(order.destination)
        patience = float(order.timeout or orders.PATIENCE)
        if target is None or target.kind not in _CAN_RING:
            moves = orders.leave_to_other(stage, leg, to=order.destination, limit=self._talk_limit)
        elif divert:
            moves = orders.divert(stage, leg, to=order.destination, patience=patience)
        else:
            moves = orders.transfer(stage, leg, to=order.destination, limit=self._talk_limit)
        self._playbill.drive(stage, moves)
        return result(HTTPStatus.ACCEPTED, final="Success", text="", participant=leg.body)

    def _call_outside(self, dn: Dn, order: Order) -> Leg:
        trunk = self._exchange.directory.trunks[0].number
        cast = Cast(number=order.destination, trunk=trunk, extension=dn.number)
        outside = Party(dn=trunk, kind=DnKind.TRUNK, number=cast.number, name=cast.number)
        stage = self._open(Direction.OUTBOUND, outside, dn, cast)
        leg = open_makecall(stage)
        far_end = orders.FarEnd.ANSWERS
        if order.destination.endswith(self._options.busy_suffix):
            far_end = orders.FarEnd.BUSY
        elif order.destination.endswith(self._options.no_answer_suffix):
            far_end = orders.FarEnd.SILENT
        patience = float(order.timeout or orders.PATIENCE)
        times = orders.Times(
            answer=self._options.answer_after.total_seconds(), patience=patience, talk_limit=self._talk_limit
        )
        self._playbill.drive(stage, orders.call_outside(stage, leg, far_end=far_end, times=times))
        return leg

    def _call_inside(self, dn: Dn, target: Dn, order: Order) -> Leg:
        cast = Cast(number=dn.number, extension=dn.number, colleague=target.number)
        stage = self._open(Direction.INTERNAL, None, dn, cast)
        dialing, ringing = call_inside(self._exchange, stage.call, caller=dn.number, callee=target.number)
        automatic = self._options.auto_answer
        answer = automatic.total_seconds() if automatic is not None else None
        if target.kind not in _CAN_RING:
            answer = 0.0
        times = orders.Times(
            answer=answer, patience=float(order.timeout or orders.PATIENCE), talk_limit=self._talk_limit
        )
        self._playbill.drive(stage, orders.call_inside(stage, dialing, ringing, times=times))
        return dialing

    def _open(self, direction: Direction, outside: Party | None, dn: Dn, cast: Cast) -> Stage:
        call = self._exchange.open_call(direction, outside=outside, caller=f"{dn.number} {dn.name}")
        call.speed = self._options.speed
        return self._playbill.adopt(call, cast)

    @property
    def _talk_limit(self) -> float:
        return self._options.talk_limit.total_seconds()


def _cast(call: Call, extension: str) -> Cast:
    if call.outside is None:
        return Cast(number=extension, extension=extension)
    return Cast(number=call.outside.number, trunk=call.outside.dn, extension=extension)
