"""Numbers that began again: after a restart of the PBX a known number may be that of another call."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister

_SEEN_LATE = timedelta(seconds=3)
"""So far our sight of an answer and the PBX's time of it may be apart."""


def renumbered(
    register: CallRegister, legs: Sequence[Leg], rows: Sequence[ActiveCall], plan: NumberingPlan
) -> list[LiveCall]:
    """The known calls whose numbers are those of others now, by the legs and the active calls after a gap.

    A number with another outside party is another call, and so is one in which only extensions are, and one that was
    established after its leg was seen talking. A consultation may have got the outside party of the call that it was
    begun from, but no other.
    """
    established = {row.number: row.established_at for row in rows if row.established_at is not None}
    since = {leg.key: established[leg.number] for leg in legs if leg.is_talking_extension and leg.number in established}
    parties = {leg.number: leg.party_number for leg in legs if leg.shows_outside and not leg.is_makecall}
    inside = {row.number for row in rows if _is_inside(row, plan)} & {leg.number for leg in legs}
    others: list[LiveCall] = []
    for call in register:
        known = call if call.consults is None else register.by_number(call.consults)
        if known is None or not known.outside_number:
            continue
        shown = {parties[number] for number in call.numbers if number in parties}
        own = {leg.number for leg in call.legs.values()} or {call.numbers[0]}
        is_inside = known is call and not shown and not inside.isdisjoint(own)
        if is_inside or (shown and known.outside_number not in shown) or _is_established_anew(call, since):
            others.append(call)
    return others


def _is_established_anew(call: LiveCall, since: Mapping[LegKey, datetime]) -> bool:
    """True when a leg of these talks in a call that is younger: the same caller reached the same extension again."""
    answered_at = {one.dn: one.answered_at for one in call.participants}
    for key, leg in call.legs.items():
        seen_at = answered_at.get(leg.dn) if leg.is_talking_extension else None
        if seen_at is not None and key in since and since[key] > seen_at + _SEEN_LATE:
            return True
    return False


def _is_inside(row: ActiveCall, plan: NumberingPlan) -> bool:
    return all(plan.kind_of(dn) is DnKind.EXTENSION for dn in (row.caller_dn, row.callee_dn))
