"""Consultations: an extension leaves its caller waiting, calls a colleague, and joins the two calls or not.

The PBX gives the consultation a number of its own. The colleague's ringing is told under the outside call. A join
shows in one of three ways: the colleague's leg changes its number, it is replaced by a new leg of the outside call,
or it keeps the consultation's number and its other side becomes the outside party.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.events import DnKind, EventType

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.register import CallRegister


def consulted_call(leg: Leg, register: CallRegister) -> LiveCall | None:
    """The outside call that one side of an internal leg has waiting: the one it began to talk in last."""
    sides = (leg.dn, leg.party_dn)
    best: LiveCall | None = None
    best_since: datetime | None = None
    for call in register.calls_of(sides):
        if leg.number in call.numbers or call.direction is None or call.consults is not None:
            continue
        for talk in call.talks:
            if talk.user in sides and talk.left_at is None and (best_since is None or talk.started_at > best_since):
                best, best_since = call, talk.started_at
    return best


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
