"""Who the outside party is: direction, number, DID and origin, decided by the first leg or row that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls.legs import MAKECALL, ActiveCall, Leg, LegStatus
from switchhook.events import Direction, DnKind, Origin

if TYPE_CHECKING:
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan

_ROUTER = "ROUTER"
"""The PBX's name for its inbound rules as the originator of a leg."""


def learn_from_leg(call: LiveCall, leg: Leg, plan: NumberingPlan) -> None:
    """Takes what a leg shows of the outside party; what is known stays."""
    if leg.is_makecall:
        call.origin = Origin.MAKECALL
    if not leg.shows_outside:
        return
    if call.direction is None:
        call.direction = _direction(leg)
        call.outside_number = ""
    if not call.outside_number and leg.party_number != MAKECALL:
        call.outside_number = leg.party_number
    if not call.did and call.direction is Direction.INBOUND:
        call.did = plan.did_name(leg.did, trunk=leg.party_dn)


def learn_from_row(call: LiveCall, row: ActiveCall, plan: NumberingPlan) -> bool:
    """Takes what a row of the active calls shows of the outside party; True when it was something new."""
    known = (call.direction, call.outside_number, call.did)
    inbound = plan.kind_of(row.caller_dn) is DnKind.TRUNK
    outbound = plan.kind_of(row.callee_dn) is DnKind.TRUNK
    if call.direction is None and (inbound or outbound):
        call.direction = Direction.INBOUND if inbound else Direction.OUTBOUND
    if not call.outside_number and (inbound or outbound):
        number = row.caller_number if inbound else row.callee_number
        call.outside_number = "" if number == MAKECALL else number
    if not call.did and inbound and call.direction is Direction.INBOUND:
        call.did = plan.did_name("", trunk=row.caller_dn)
    return known != (call.direction, call.outside_number, call.did)


def _direction(leg: Leg) -> Direction:
    if leg.is_makecall or leg.status is LegStatus.DIALING:
        return Direction.OUTBOUND
    if leg.kind is not DnKind.EXTENSION or leg.status is LegStatus.RINGING:
        return Direction.INBOUND
    is_routed = leg.originated_by == _ROUTER or bool(leg.on_behalf_of or leg.referred_by)
    return Direction.INBOUND if is_routed else Direction.OUTBOUND
