"""Where a live call stands, and how a call that is over came out: what is counted of calls. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from switchhook.events import DnKind

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
