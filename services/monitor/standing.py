"""Where a live call stands, and how a call that is over came out: what is counted of calls. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from switchhook.events import DnKind
from switchhook.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from switchhook.events import Call, Event


class CallState(StrEnum):
    """`WAITING`: in a queue or an IVR, and no phone rings. `RINGING`: a phone rings, or the number is dialled."""

    WAITING = "waiting"
    RINGING = "ringing"
    TALKING = "talking"


class CallOutcome(StrEnum):
    """`MISSED`: nobody ever talked, whoever called whom."""

    ANSWERED = "answered"
    MISSED = "missed"


def state_of(call: Call) -> CallState:
    """As of the call's latest event."""
    if any(link.ended_at is None for link in call.links):
        return CallState.TALKING
    present = {one.kind for one in call.participants if one.left_at is None}
    if DnKind.EXTENSION in present or not present:
        return CallState.RINGING
    return CallState.WAITING


def outcome_of(final: Event) -> CallOutcome:
    """Of a whole call; `final` is its last end."""
    return CallOutcome.ANSWERED if final.call.links else CallOutcome.MISSED


def facts_of(final: Event) -> dict[str, object]:
    """A whole call, for its line in the log; `final` is its last end. The number is masked where it is written."""
    call = final.call
    talk = sum(((link.ended_at or final.occurred_at) - link.started_at for link in call.links), timedelta())
    return {
        "pbx": final.pbx,
        "call_id": call.id,
        "direction": call.direction,
        "number": call.outside_number,
        "user": final.user,
        "outcome": outcome_of(final),
        "links": len(call.links),
        "duration_seconds": round((final.occurred_at - call.arrived_at).total_seconds(), 3),
        "talk_seconds": round(talk.total_seconds(), 3),
        "reconciled": final.reconciled,
        "trace_id": trace_id_of(final.traceparent),
    }
