"""Where routing takes a call: the IVR, the queue, the extensions that ring.

One event per IVR, per queue and per extension that starts to ring; more phones of one extension are not news. A ring
group, a voicemail box, a route point and a DN of unknown kind hold a call but are not reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls.consulting import rings_anew
from services.monitor.calls.talking import hand_on
from switchhook.events import DnKind, EventType, Transfer

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall


def enter(call: LiveCall, dn: str, kind: DnKind, at: datetime) -> None:
    """Routing reached a DN that is no extension."""
    call.joined(dn, kind, at)
    match kind:
        case DnKind.QUEUE:
            call.queue = dn
        case DnKind.IVR:
            call.ivr = dn
        case _:
            return
    call.place = dn
    call.say(EventType.RINGING, at, user=dn, user_kind=kind)
    hand_on(call, at, Transfer.BLIND)


def rang(call: LiveCall, leg: Leg, at: datetime) -> None:
    """An extension's phone started to ring, or was found ringing."""
    call.last_rung = leg.dn
    call.joined(leg.dn, leg.kind, at)
    if not rings_anew(call, leg.dn) or _rings_elsewhere(call, leg):
        return
    call.say(EventType.RINGING, at, user=leg.dn)
    hand_on(call, at, Transfer.BLIND)


def stopped(call: LiveCall, leg: Leg, at: datetime) -> None:
    """An extension's phone stopped ringing without having been answered: news if the call goes on without it."""
    if _rings_elsewhere(call, leg):
        return
    call.left(leg.dn, at)
    if leg.dn == call.dialler and not call.talks:
        return  # who makes the call was not rung
    call.stopped = leg.dn
    if call.legs:
        goes_on(call, at)


def goes_on(call: LiveCall, at: datetime) -> None:
    """The call lives: what stopped ringing at `at`, when perhaps it was over, is told."""
    if call.stopped:
        user, call.stopped = call.stopped, ""
        call.say(EventType.RINGING_STOPPED, at, user=user)


def dialled(call: LiveCall, user: str, at: datetime) -> None:
    """An extension dials out; said once, and not before the number is known."""
    call.joined(user, DnKind.EXTENSION, at)
    call.last_rung = user
    if call.is_dialled or not call.outside_number:
        return
    call.is_dialled = True
    call.say(EventType.DIALING, at, user=user)


def _rings_elsewhere(call: LiveCall, leg: Leg) -> bool:
    return any(
        other.key != leg.key and other.dn == leg.dn and (other.is_ringing_extension or other.is_talking_extension)
        for other in call.legs.values()
    )
