"""Scenarios of calls that go out, that software starts (MakeCall), or that stay inside."""

from __future__ import annotations

from dataclasses import replace

from simulator.exchange import Entry
from simulator.model import CallState, DnRef, Leg, LegStatus, Party
from simulator.stage import Stage, call_inside

MAKECALL_VARIANTS = ("number-first", "name-first")
MAKECALL_NAME = "MAKECALL"

_FAR_RING_TIME = 1.0
_PHONE_TIME = 0.6
_STEP_TIME = 0.1
_RING_TIME = 0.8


async def answered(stage: Stage) -> None:
    leg = dial(stage)
    await stage.wait(_FAR_RING_TIME)
    stage.exchange.connect(leg)
    stage.show(CallState.TALKING)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by(leg.dn))


async def missed(stage: Stage) -> None:
    leg = dial(stage)
    await stage.wait(_FAR_RING_TIME)
    stage.end(stage.ended_by(leg.dn))


async def makecall_answered(stage: Stage) -> None:
    leg = await makecall(stage, far_ring=_FAR_RING_TIME)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by(leg.dn))


async def makecall_missed(stage: Stage) -> None:
    leg = await connect_phone(stage)
    await stage.wait(_STEP_TIME)
    stage.end(stage.ended_by(leg.dn))


async def internal(stage: Stage) -> None:
    """Two extensions talk; no outside party."""
    cast, exchange = stage.cast, stage.exchange
    dialing, ringing = call_inside(exchange, stage.call, caller=cast.extension, callee=cast.colleague)
    await stage.wait(_RING_TIME)
    exchange.connect(ringing)
    exchange.connect(dialing)
    stage.show(CallState.TALKING)
    await stage.wait(cast.talk)
    stage.end(stage.ended_by(cast.extension))


def dial(stage: Stage) -> Leg:
    """An extension dials the outside party from its own phone."""
    leg = stage.exchange.enter(stage.call, _dialing(stage))
    _show_callee(stage)
    return leg


async def makecall(stage: Stage, *, far_ring: float) -> Leg:
    """Software has an extension call the outside party, who answers: the extension's leg, talking."""
    leg = await connect_phone(stage)
    await stage.wait(far_ring)
    await far_end_answers(stage, leg)
    return leg


async def connect_phone(stage: Stage) -> Leg:
    """The own phone of the extension is connected first; meanwhile the other side is called MAKECALL."""
    leg = open_makecall(stage)
    return await let_phone_answer(stage, leg)


def open_makecall(stage: Stage) -> Leg:
    """The first sight of a call that software started."""
    own = DnRef(stage.cast.extension, stage.inside(stage.cast.extension).kind)
    entry = replace(_dialing(stage), originated_by=own)
    if _name_first(stage):
        entry = replace(entry, status=LegStatus.RINGING, party=_nameless(stage))
    leg = stage.exchange.enter(stage.call, entry)
    _show_callee(stage)
    return leg


async def let_phone_answer(stage: Stage, leg: Leg) -> Leg:
    if _name_first(stage):
        await stage.wait(_PHONE_TIME)
        stage.exchange.show_party(leg, stage.outside, status=LegStatus.DIALING)
    else:
        await stage.wait(_STEP_TIME)
        stage.exchange.show_party(leg, _nameless(stage))
        await stage.wait(_PHONE_TIME)
    return leg


async def far_end_answers(stage: Stage, leg: Leg) -> None:
    stage.exchange.connect(leg, party=_nameless(stage))
    stage.show(CallState.TALKING)
    await stage.wait(_STEP_TIME)
    stage.exchange.show_party(leg, stage.outside)


def _name_first(stage: Stage) -> bool:
    return stage.variant("makecall", MAKECALL_VARIANTS[0]) == "name-first"


def _nameless(stage: Stage) -> Party:
    return replace(stage.outside, number=MAKECALL_NAME, name=MAKECALL_NAME)


def _dialing(stage: Stage) -> Entry:
    extension = stage.cast.extension
    return Entry(
        dn=extension,
        status=LegStatus.DIALING,
        party=stage.outside,
        source=stage.inside(extension),
        destination=stage.outside,
    )


def _show_callee(stage: Stage) -> None:
    party = stage.outside
    stage.exchange.show(
        stage.call, CallState.ROUTING, callee=f"{party.dn} {party.name or party.number} ({party.number})"
    )
