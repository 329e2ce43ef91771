"""How the other side reacts to an order of software: coroutines that drive a call after an action.

Times are in seconds at speed 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from simulator.model import CallState, Leg
from simulator.outgoing import far_end_answers, let_phone_answer
from simulator.transfers import blind_transfer

if TYPE_CHECKING:
    from simulator.stage import Stage

PATIENCE = 20.0
"""How long something rings before the caller gives up."""
_BUSY_TIME = 0.3


class FarEnd(StrEnum):
    """What the outside party does."""

    ANSWERS = "answers"
    SILENT = "silent"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """`answer`: when the called side answers, None: never by itself."""

    answer: float | None
    patience: float
    talk_limit: float


async def talk(stage: Stage, *, limit: float) -> None:
    """They talk until somebody orders otherwise."""
    await stage.wait(limit)
    stage.end(stage.ended_by_outside())


async def call_outside(stage: Stage, leg: Leg, *, far_end: FarEnd, times: Times) -> None:
    await let_phone_answer(stage, leg)
    match far_end:
        case FarEnd.BUSY:
            await stage.wait(_BUSY_TIME)
            stage.end("Busy")
        case FarEnd.SILENT:
            await stage.wait(times.patience)
            stage.end("Not answered")
        case FarEnd.ANSWERS:
            await stage.wait(times.answer or 0.0)
            await far_end_answers(stage, leg)
            await talk(stage, limit=times.talk_limit)


async def call_inside(stage: Stage, dialing: Leg, ringing: Leg, *, times: Times) -> None:
    await stage.wait(times.patience if times.answer is None else times.answer)
    if times.answer is None:
        stage.end("Not answered")
        return
    stage.exchange.connect(ringing)
    stage.exchange.connect(dialing)
    stage.show(CallState.TALKING)
    await talk(stage, limit=times.talk_limit)


async def divert(stage: Stage, leg: Leg, *, to: str, patience: float) -> None:
    """The ringing leg gives the call away; the new one rings until `answer`, or in vain."""
    stage.leave(leg, f"forwarded to {stage.inside(to).name} ({to})")
    stage.show(CallState.REROUTING, to)
    stage.ring(to)
    await stage.ringing(patience)
    stage.end("Not answered")


async def transfer(stage: Stage, leg: Leg, *, to: str, limit: float) -> None:
    if await blind_transfer(stage, leg, to=to) is None:
        stage.end(stage.ended_by_outside())
        return
    await talk(stage, limit=limit)


async def leave_to_other(stage: Stage, leg: Leg, *, to: str, limit: float) -> None:
    """The call goes on where this client sees nothing of it: an outside number, a menu, a group."""
    stage.leave(leg, f"forwarded to {to} ({to})")
    stage.show(CallState.TALKING, to)
    await talk(stage, limit=limit)
