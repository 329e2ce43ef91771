"""Which part a leg plays in a call that is reported: a place of routing, who dials out, who is rung, a third."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls import consulting, routing, talking
from services.monitor.calls.states import Change
from switchhook.events import Direction, DnKind

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.picture import Picture


def play(picture: Picture, call: LiveCall, leg: Leg, change: Change, *, at: datetime) -> None:
    """Says what the change of a leg means for its call."""
    if leg.kind is not DnKind.EXTENSION:
        if change in (Change.RANG, Change.APPEARED, Change.DIALLED) and not call.is_present(leg.dn):
            routing.enter(call, leg.dn, leg.kind, at)
        return
    queue = leg.on_behalf_of  # the list of active calls may have named the agent already, who has it from there
    if queue and call.place not in (queue, leg.dn) and picture.plan.kind_of(queue) is DnKind.QUEUE:
        routing.enter(call, queue, DnKind.QUEUE, at)
    if call.direction is None and not call.outside_number:
        call.outside_number = leg.dn if change is Change.DIALLED else leg.party_dn
    if _is_dialler(call, leg, change):
        call.dialler = leg.dn
        _dials(picture, call, leg, change, at=at)
    elif change is Change.RANG:
        routing.rang(call, leg, at)
    elif change is Change.ANSWERED:
        _talks(picture, call, leg, at=at)
    elif change is Change.APPEARED:
        _appeared(picture, call, leg, at=at)


def _is_dialler(call: LiveCall, leg: Leg, change: Change) -> bool:
    """True for the extension that makes the call, as long as nobody talks."""
    if call.dialler:
        return leg.dn == call.dialler and (not call.talks or call.direction is None)
    return change is Change.DIALLED or leg.is_makecall


def _dials(picture: Picture, call: LiveCall, leg: Leg, change: Change, *, at: datetime) -> None:
    """The extension that makes the call: its own ringing is no ringing, its number may become known late."""
    if call.direction is not Direction.OUTBOUND:
        return
    routing.dialled(call, leg.dn, at)
    if change in (Change.ANSWERED, Change.APPEARED):
        _talks(picture, call, leg, at=at)


def _appeared(picture: Picture, call: LiveCall, leg: Leg, *, at: datetime) -> None:
    """An extension is connected of which no ringing was seen."""
    if call.direction is Direction.OUTBOUND and not call.talks:
        call.dialler = leg.dn
        _dials(picture, call, leg, Change.APPEARED, at=at)
        return
    if consulting.is_asked(call, leg, picture.register):
        consulting.colleague_answered(call, leg, at)
    is_third = talking.is_third(call, leg)
    if not is_third and leg.dn not in call.consulted:
        routing.rang(call, leg, at)
    _talks(picture, call, leg, at=at, as_third=is_third)


def _talks(picture: Picture, call: LiveCall, leg: Leg, *, at: datetime, as_third: bool = False) -> None:
    talking.started(call, leg, at, as_third=as_third)
    picture.register.talks(call, leg.dn)
