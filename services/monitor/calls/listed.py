"""Rows of the PBX's list of active calls: what they tell that no leg shows, and which calls they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls import routing
from services.monitor.calls.outside import learn_from_row
from services.monitor.calls.unshown import is_unshown
from switchhook.events import DnKind, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from services.monitor.calls.legs import ActiveCall
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.picture import Picture
    from switchhook.events import CallId


def told(picture: Picture, rows: Sequence[ActiveCall], *, asked_at: datetime, at: datetime) -> None:
    """Applies rows: queues and IVRs whose legs the PBX does not show, and untold numbers."""
    for row in rows:
        call = picture.register.by_number(row.number)
        if call is None:
            if row.callee_dn not in picture.plan.hidden or picture.plan.kind_of(row.caller_dn) is not DnKind.TRUNK:
                continue
            if picture.register.past.living(row.number, since=asked_at, until=at):
                continue  # its end became known while the list was under way
            call = picture.register.begin(row.number, at)
            picture.register.vacate(call, at)
        elif call.consults is not None or call.last_at >= asked_at:
            continue
        _learn(picture, call, row, at)


def unlisted(picture: Picture, alive: AbstractSet[int], *, asked_at: datetime) -> set[CallId]:
    """Calls with legs whose numbers the PBX's whole list of active calls lacks: a Remove may be lost."""
    return {call.id for call in picture.register.unsettled(asked_at) if alive.isdisjoint(call.numbers)}


def is_told_all(picture: Picture, number: int) -> bool:
    """True for a call of which a row of the active calls can tell nothing new."""
    call = picture.register.by_number(number)
    if call is None or call.stopped or not (call.direction and call.outside_number):
        return False
    return not is_unshown(call, picture.plan)


def _learn(picture: Picture, call: LiveCall, row: ActiveCall, at: datetime) -> None:
    plan = picture.plan
    is_hidden = row.callee_dn in plan.hidden
    if learn_from_row(call, row, plan) or call.stopped:
        routing.goes_on(call, call.vacant_since or at)
        picture.touch(call)
    if is_hidden and call.place != row.callee_dn:
        picture.touch(call)
        routing.enter(call, row.callee_dn, plan.kind_of(row.callee_dn), at)
    elif not is_hidden and row.callee_dn and call.place in plan.hidden:
        picture.touch(call)
        call.left(call.place, at)
        call.place = row.callee_dn
    if call.origin is Origin.MAKECALL and not call.is_dialled and call.outside_number:
        picture.touch(call)
        routing.dialled(call, call.last_rung, at)
