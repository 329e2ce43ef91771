"""Transfers: how the legs of the transferor, the target and a consultation follow each other, in every known order.

Which order a PBX shows differs by build, so each is a variant: `blind:...` and `attended:...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.exchange import Entry
from simulator.faults import Fault
from simulator.model import Call, CallState, Leg, LegStatus

if TYPE_CHECKING:
    from simulator.stage import Stage

BLIND_VARIANTS = ("leaves-after-ring", "leaves-on-answer", "leaves-first", "returns", "unanswered")
ATTENDED_VARIANTS = ("same-id", "new-id", "join-first", "survivor-is-consultation")

_RING_TIME = 0.8
_STEP_TIME = 0.05
_GAP_TIME = 0.4
_NO_ANSWER_TIME = 1.2


async def blind_transfer(stage: Stage, transferor: Leg, *, to: str) -> Leg | None:
    """Send the outside party on without asking: the leg that talks afterwards, None when the caller gave up."""
    order = stage.variant("blind", BLIND_VARIANTS[0])
    if stage.faults.on(Fault.REMOVE_BEFORE_TARGET):
        order = "leaves-first"
    stage.show(CallState.TRANSFERRING, to)
    reason = stage.replaced(transferor.dn, to)
    if order == "leaves-first":
        stage.leave(transferor, reason)
        await stage.wait(_GAP_TIME)
    target = stage.ring(to, referred_by=transferor.dn)
    if order != "leaves-on-answer":
        await stage.wait(_STEP_TIME)
        stage.leave(transferor, reason)
    if order in {"returns", "unanswered"}:
        await stage.ringing(_NO_ANSWER_TIME)
        stage.leave(target, "Not answered" if order == "returns" else stage.ended_by_outside())
        return await _return(stage, transferor.dn) if order == "returns" else None
    await stage.ringing(_RING_TIME)
    stage.pick_up(target)
    stage.leave(transferor, reason)
    return target


async def _return(stage: Stage, dn: str) -> Leg:
    stage.show(CallState.REROUTING, dn)
    leg = stage.ring(dn)
    await stage.ringing(_RING_TIME)
    stage.pick_up(leg)
    return leg


async def consultation(stage: Stage, transferor: Leg, *, to: str, talk: float) -> None:
    """Ask a colleague and hang up on the colleague: nothing is joined."""
    consult, dialing, ringing = stage.consult(transferor.dn, to)
    await _talk_to_colleague(stage, consult, (dialing, ringing), talk=talk)
    stage.leave(dialing, stage.ended_by(transferor.dn))
    stage.leave(ringing, stage.ended_by(transferor.dn))
    stage.exchange.close(consult, stage.ended_by(transferor.dn))


async def attended_transfer(stage: Stage, transferor: Leg, *, to: str, talk: float) -> None:
    """Ask a colleague, then join: the colleague talks to the outside party."""
    consult, dialing, ringing = stage.consult(transferor.dn, to)
    await _talk_to_colleague(stage, consult, (dialing, ringing), talk=talk)
    order = stage.variant("attended", ATTENDED_VARIANTS[0])
    if stage.faults.on(Fault.NEW_ID_ON_JOIN):
        order = "new-id"
    stage.show(CallState.TRANSFERRING)
    stage.exchange.show(consult, CallState.TRANSFERRING)
    stage.exchange.join(stage.call, consult)
    join = _JOINS[order]
    await join(stage, transferor, dialing, ringing)


async def _talk_to_colleague(stage: Stage, consult: Call, legs: tuple[Leg, Leg], *, talk: float) -> None:
    await stage.wait(_RING_TIME)
    stage.exchange.connect(legs[1])
    stage.exchange.connect(legs[0])
    stage.exchange.show(consult, CallState.TALKING)
    await stage.wait(max(talk - _RING_TIME, 0.1))


async def _same_id(stage: Stage, transferor: Leg, dialing: Leg, colleague: Leg) -> None:
    await _transferor_leaves(stage, transferor, dialing, colleague.dn)
    _move(stage, colleague)


async def _new_id(stage: Stage, transferor: Leg, dialing: Leg, colleague: Leg) -> None:
    consult = colleague.call
    await _transferor_leaves(stage, transferor, dialing, colleague.dn)
    stage.exchange.leave(colleague, stage.replaced(transferor.dn, colleague.dn))
    entry = Entry(
        dn=colleague.dn,
        status=LegStatus.CONNECTED,
        party=stage.seen_by(colleague.dn),
        source=stage.outside,
        destination=stage.inside(colleague.dn),
    )
    stage.exchange.enter(stage.call, entry)
    stage.show(CallState.TALKING, colleague.dn)
    stage.exchange.close(consult, "")


async def _join_first(stage: Stage, transferor: Leg, dialing: Leg, colleague: Leg) -> None:
    consult = dialing.call
    _move(stage, colleague, close=False)
    await stage.wait(_STEP_TIME)
    await _transferor_leaves(stage, transferor, dialing, colleague.dn)
    stage.exchange.close(consult, "")


async def _survivor_is_consultation(stage: Stage, transferor: Leg, dialing: Leg, colleague: Leg) -> None:
    first, consult, party = stage.call, colleague.call, stage.seen_by(colleague.dn)
    await _transferor_leaves(stage, transferor, dialing, colleague.dn)
    exchange = stage.exchange
    exchange.end_segment(colleague.segment, stage.replaced(transferor.dn, colleague.dn))
    colleague.segment = exchange.new_segment(consult, source=stage.outside, destination=stage.inside(colleague.dn))
    consult.outside, consult.direction = first.outside, first.direction
    exchange.show(consult, CallState.TALKING, caller=first.caller, callee=stage.label(colleague.dn))
    exchange.show_party(colleague, party)
    stage.call = consult
    exchange.close(first, "")


async def _transferor_leaves(stage: Stage, transferor: Leg, dialing: Leg, to: str) -> None:
    reason = stage.replaced(transferor.dn, to)
    stage.leave(transferor, reason)
    await stage.wait(_STEP_TIME)
    stage.exchange.leave(dialing, reason)
    await stage.wait(_STEP_TIME)


def _move(stage: Stage, colleague: Leg, *, close: bool = True) -> None:
    exchange, consult, party = stage.exchange, colleague.call, stage.seen_by(colleague.dn)
    exchange.end_segment(colleague.segment, f"{colleague.dn} was joined")
    segment = exchange.new_segment(stage.call, source=stage.outside, destination=stage.inside(colleague.dn))
    exchange.move(colleague, stage.call, party=party, segment=segment)
    stage.show(CallState.TALKING, colleague.dn)
    if close:
        exchange.close(consult, "")


_JOINS = {
    "same-id": _same_id,
    "new-id": _new_id,
    "join-first": _join_first,
    "survivor-is-consultation": _survivor_is_consultation,
}
