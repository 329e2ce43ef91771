"""Numbers that began again: after a restart of the PBX a known number may be that of another call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.monitor.calls.legs import ActiveCall, Leg
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister


def renumbered(
    register: CallRegister, legs: Sequence[Leg], rows: Sequence[ActiveCall], plan: NumberingPlan
) -> list[LiveCall]:
    """The known calls whose numbers are those of others now, by the legs and the active calls after a gap.

    A number with another outside party is another call, and so is one in which only extensions are. A consultation
    may have got the outside party of the call that it was begun from, but no other.
    """
    parties = {leg.number: leg.party_number for leg in legs if leg.shows_outside and not leg.is_makecall}
    inside = {row.number for row in rows if _is_inside(row, plan)} & {leg.number for leg in legs}
    others: list[LiveCall] = []
    for call in register:
        known = call if call.consults is None else register.by_number(call.consults)
        if known is None or not known.outside_number:
            continue
        shown = {parties[number] for number in call.numbers if number in parties}
        is_inside = known is call and not shown and not inside.isdisjoint(call.numbers)
        if is_inside or (shown and known.outside_number not in shown):
            others.append(call)
    return others


def _is_inside(row: ActiveCall, plan: NumberingPlan) -> bool:
    return all(plan.kind_of(dn) is DnKind.EXTENSION for dn in (row.caller_dn, row.callee_dn))
