"""Who talks with the outside party: how a conversation starts, and how it is handed on.

A conversation is a link. It starts when an extension is connected; IVRs, queues, voicemail boxes and route points never
start one. The transferor's end is said once, when it is certain that the call went on: after the ringing of a blind
transfer's target, after the start of an attended one's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls.live import LiveCall, Talk
from switchhook.events import DnKind, EventType, Transfer

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.legs import Leg


def is_third(call: LiveCall, leg: Leg) -> bool:
    """True for an extension that was put into a running conversation without ringing: it listens in or barges in."""
    return (
        not leg.referred_by
        and leg.dn not in call.consulted
        and any(talk.left_at is None and talk.user != leg.dn for talk in call.talks)
    )


def started(call: LiveCall, leg: Leg, at: datetime, *, as_third: bool = False) -> None:
    """An extension talks with the outside party; `as_third` when it joined a conversation that goes on."""
    if call.open_talk(leg.dn) is not None:
        return
    transfer = Transfer.NONE if as_third else _received(call, leg)
    if transfer is Transfer.BLIND:
        _finish_all(call, at, transfer, besides=leg.dn)
    talk = Talk(number=call.link + 1, user=leg.dn, transfer=transfer, started_at=at)
    call.talks.append(talk)
    call.joined(leg.dn, leg.kind, at)
    call.answered(leg.dn, at)
    call.say(EventType.STARTED, at, user=leg.dn, talk=talk, transfer=transfer)
    if transfer is Transfer.ATTENDED:
        _finish_all(call, at, transfer, besides=leg.dn)
    call.consulted.pop(leg.dn, None)


def left(call: LiveCall, leg: Leg, at: datetime) -> None:
    """A connected extension's leg is gone."""
    if any(other.dn == leg.dn and other.is_talking_extension for other in call.legs.values()):
        return
    call.left(leg.dn, at)
    talk = call.open_talk(leg.dn)
    if talk is None:
        return
    talk.leave(at)
    if _is_carried_on(call, talk):
        hand_on(call, at, Transfer.BLIND)


def hand_on(call: LiveCall, at: datetime, transfer: Transfer) -> None:
    """Says the ends of the conversations whose extension left, now that the call is known to go on."""
    for talk in call.talks:
        if talk.left_at is not None and not talk.is_told:
            _tell(call, talk, at, transfer)


def _received(call: LiveCall, leg: Leg) -> Transfer:
    """An extension that starts to talk after another one had it from there, also where `referred_by` is empty."""
    if call.consulted.get(leg.dn):
        return Transfer.ATTENDED
    return Transfer.BLIND if call.talks else Transfer.NONE


def _finish_all(call: LiveCall, at: datetime, transfer: Transfer, *, besides: str) -> None:
    for talk in call.talks:
        if talk.user != besides and not talk.is_told:
            talk.leave(at)
            _tell(call, talk, at, transfer)


def _tell(call: LiveCall, talk: Talk, at: datetime, transfer: Transfer) -> None:
    talk.is_told = True
    call.say(EventType.ENDED, at, user=talk.user, talk=talk, transfer=transfer, transferred=True)


def _is_carried_on(call: LiveCall, talk: Talk) -> bool:
    """True when somebody else has the outside party: an extension that rings or talks, or a later IVR or queue."""
    joined = {one.dn: one.joined_at for one in call.participants if one.left_at is None}
    for leg in call.legs.values():
        if leg.is_ringing_extension or leg.is_talking_extension:
            return True
        if leg.kind in (DnKind.QUEUE, DnKind.IVR) and joined.get(leg.dn, talk.started_at) > talk.started_at:
            return True
    return False
