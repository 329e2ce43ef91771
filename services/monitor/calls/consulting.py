"""Consultations: an extension leaves its caller waiting, calls a colleague, and joins the two calls or not.

The PBX gives the consultation a number of its own. The colleague's ringing is told under the outside call. A join
shows in one of three ways: the colleague's leg changes its number, it is replaced by a new leg of the outside call,
or it keeps the consultation's number and its other side becomes the outside party.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls.legs import LegStatus
from switchhook.events import DnKind, EventType

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall, Talk
    from services.monitor.calls.register import CallRegister


def consulted_call(leg: Leg, register: CallRegister, at: datetime, *, alive: Container[int] = ()) -> LiveCall | None:
    """The outside call that one side of an internal leg of that time has waiting: the one it began to talk in last.

    The side that dials consults, as far as that can be seen; a colleague may have a caller as well. After a gap the
    outside call may have lost its last leg to a join under way: `alive` are the numbers of which the PBX says so.
    """
    caller, colleague = (leg.party_dn, leg.dn) if leg.status is LegStatus.RINGING else (leg.dn, leg.party_dn)
    sides = [{caller}, {colleague}] if leg.status is not LegStatus.CONNECTED else [{caller, colleague}]
    waiting = [
        (talk, call)
        for call in register.calls_of((caller, colleague))
        if leg.number not in call.numbers and call.direction is not None and call.consults is None
        for talk in call.talks
        if talk.started_at <= at and (talk.left_at is None or _had_left_for_it(call, talk, at, alive))
    ]
    for side in sides:
        own = [(talk.started_at, place) for place, (talk, _) in enumerate(waiting) if talk.user in side]
        if own:
            return waiting[max(own)[1]][1]
    return None


def _had_left_for_it(call: LiveCall, talk: Talk, at: datetime, alive: Container[int]) -> bool:
    """True when the talk was left after that moment, or for a join that is under way."""
    if talk.is_told or talk.left_at is None:
        return False
    return at < talk.left_at or (not call.legs and any(number in alive for number in call.numbers))


def begun(outside: LiveCall, leg: Leg) -> None:
    """A consultation begins: what came of an earlier one with the same colleague is of no matter any more."""
    for dn in (leg.dn, leg.party_dn):
        outside.consulted.pop(dn, None)


def over(outside: LiveCall, consultation: LiveCall) -> None:
    """A consultation is over, and its extension still has the caller: a colleague who did not answer is out of it.

    One who answered may yet be joined: the PBX may take the consultation's legs away first.
    """
    if outside.open_talk(consultation.dialler) is not None:
        outside.consulted = {dn: answered for dn, answered in outside.consulted.items() if answered}


def rings_anew(outside: LiveCall, dn: str) -> bool:
    """True unless the phone of a colleague rings on who was called in a consultation; after an answer it is news."""
    answered = outside.consulted.get(dn)
    if answered:
        del outside.consulted[dn]
    return answered is not False


def is_asked(outside: LiveCall, leg: Leg, register: CallRegister) -> bool:
    """True for the colleague in a consultation that lives, by the other one's leg: a join may show before its end."""
    return any(
        other.party_dn == leg.dn
        for consultation in register.consultations_of(outside)
        for other in consultation.legs.values()
    )


def colleague_rang(outside: LiveCall, leg: Leg, at: datetime) -> None:
    """The colleague's phone rings: told under the outside call, once."""
    if leg.dn in outside.consulted or outside.open_talk(leg.dn) is not None:
        return
    outside.consulted[leg.dn] = False
    outside.last_rung = leg.dn
    outside.say(EventType.RINGING, at, user=leg.dn, user_kind=DnKind.EXTENSION)


def colleague_answered(outside: LiveCall, leg: Leg, at: datetime) -> None:
    """The colleague talks with the consulting extension."""
    colleague_rang(outside, leg, at)
    if leg.dn in outside.consulted:
        outside.consulted[leg.dn] = True


def shows_join(consultation: LiveCall, leg: Leg) -> bool:
    """True when a consultation's leg has the outside party on its other side: both calls go on under its number."""
    return consultation.consults is not None and leg.shows_outside


def is_remainder(call: LiveCall, leg: Leg) -> bool:
    """True for a leg of a consultation that was joined: between two extensions, under the consultation's number."""
    is_inside = leg.kind is leg.party_kind is DnKind.EXTENSION
    return leg.number != call.numbers[0] and is_inside and not (leg.referred_by or leg.on_behalf_of)
