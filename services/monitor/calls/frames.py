"""One frame: a leg as it is now, or that it is gone. The same frame twice changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.monitor.calls import consulting, roles, routing, talking
from services.monitor.calls.outside import learn_from_leg
from services.monitor.calls.states import Change, change_of, status_after
from switchhook.events import DnKind

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.legs import Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.picture import Picture


def leg_seen(picture: Picture, leg: Leg, at: datetime) -> None:
    """A leg is as it was just read from the PBX."""
    register = picture.register
    call = register.by_number(leg.number)
    if call is None:
        if register.past.outlived(leg.number, at):
            return  # held back while the log told the rest of its call
        call = picture.begin(leg, at)
    before = _before(picture, call, leg, at)
    status = before.status if before else None
    change = change_of(status, leg.status)
    remembered = status_after(status, leg.status)
    if remembered is not leg.status:
        leg = replace(leg, status=remembered)
    register.seen(leg, call, at)
    if leg == before:
        return
    call.legs[leg.key] = leg
    routing.goes_on(call, call.vacant_since or at)
    register.occupy(call)
    picture.touch(call)
    if call.consults is not None:
        if not consulting.shows_join(call, leg):
            _consultation_changed(picture, call, leg, change, at=at)
            return
        call, change = picture.join(call, at), Change.APPEARED
    learn_from_leg(call, leg, picture.plan)
    if picture.is_reported(call) and not consulting.is_remainder(call, leg):
        roles.play(picture, call, leg, change, at=at)


def leg_gone(picture: Picture, key: LegKey, at: datetime) -> None:
    """A leg is gone: a Remove, or a read that found nothing."""
    call = picture.register.removed(key, at)
    leg = call.legs.pop(key, None) if call is not None else None
    if call is None or leg is None:
        return
    picture.touch(call)
    if picture.is_reported(call):
        match change_of(leg.status, None):
            case Change.STOPPED if leg.kind is DnKind.EXTENSION:
                routing.stopped(call, leg, at)
            case Change.LEFT if leg.kind is DnKind.EXTENSION:
                talking.left(call, leg, at)
            case _:
                call.left(leg.dn, at)
    if not call.legs:
        picture.vacate(call, at)


def _before(picture: Picture, call: LiveCall, leg: Leg, at: datetime) -> Leg | None:
    """What was known of the leg in this call."""
    source = picture.register.call_of(leg.key)
    if source is not None and source is not call:
        return _move(picture, leg, source, call, at=at)
    before = call.legs.get(leg.key)
    if before is None or not consulting.is_remainder(call, before) or consulting.is_remainder(call, leg):
        return before
    consulting.colleague_answered(call, leg, at)
    return None


def _move(picture: Picture, leg: Leg, source: LiveCall, target: LiveCall, *, at: datetime) -> Leg | None:
    """A leg changed its call. What it was before counts in the target only while it rings: a talk begins there."""
    before = source.legs.pop(leg.key, None)
    picture.touch(source)
    if source.consults is not None and source.consults in target.numbers:
        target.numbers.extend(number for number in source.numbers if number not in target.numbers)
        if leg.is_talking_extension:
            consulting.colleague_answered(target, leg, at)  # that he was asked and answered may not have been seen
    if not source.legs:
        picture.vacate(source, at)
    return None if before is None or before.is_talking_extension else before


def _consultation_changed(picture: Picture, call: LiveCall, leg: Leg, change: Change, *, at: datetime) -> None:
    outside = picture.register.by_number(call.consults)
    if change is Change.DIALLED:
        call.dialler = leg.dn
    if outside is None or leg.kind is not DnKind.EXTENSION:
        return
    if leg.dn == call.dialler or outside.untold_talk(leg.dn) is not None:
        return
    picture.touch(outside)
    if change is Change.RANG:
        consulting.colleague_rang(outside, leg, at)
    elif change in (Change.ANSWERED, Change.APPEARED):
        consulting.colleague_answered(outside, leg, at)
