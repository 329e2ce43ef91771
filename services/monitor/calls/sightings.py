"""Which segments of the call log were seen when they happened: what took part in a call against what its log has of it.

Each sight of a DN accounts for one segment: the last one that had begun by then, for the same extension may ring again
and again, and what was found after a gap had begun before. A leg that was live when the watch was lost accounts for
one that ended later: its end is what is missing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan

SAME_MOMENT = timedelta(seconds=3)
"""So far two clocks may be apart, and a sight from what was seen."""


def sightings(segments: Sequence[Segment], call: LiveCall, plan: NumberingPlan) -> Mapping[tuple[int, str], Leg | None]:
    """The sides of segments that were seen, by the segment's place and the DN: the leg that is still live, or None."""
    found: dict[tuple[int, str], Leg | None] = {}
    joined_at = {one.dn: one.joined_at for one in call.participants if one.left_at is None}
    for leg in call.legs.values():
        at = joined_at.get(leg.dn, call.last_at)
        fitting = [place for place in _places(segments, leg.dn, at) if segments[place].ended_at > at]
        if fitting:
            fitting.sort(key=lambda place: is_outside(segments[place], plan) == leg.shows_outside)
            found[fitting[-1], leg.dn] = leg
    live = {leg.dn for leg in call.legs.values()}
    for one in call.participants:
        if one.left_at is None and one.dn in live:
            continue
        places = [place for place in _places(segments, one.dn, one.joined_at) if (place, one.dn) not in found]
        if places:
            found[places[-1], one.dn] = None
    return found


def as_of(segments: Iterable[Segment], legs: Iterable[Leg], plan: NumberingPlan, *, at: datetime) -> list[Segment]:
    """What the log, read later, would have told at the moment of a snapshot of `legs`: the rest is told by frames.

    What ended about then had not, when its DN is still shown in that part of the call: the clocks may be apart. What
    ended before something that is not shown any more was over as well: the call came back to that DN.
    """
    shown = {(leg.number, leg.dn, leg.shows_outside) for leg in legs}
    begun = [one for one in segments if one.started_at <= at]

    def lives(one: Segment) -> bool:
        outside = is_outside(one, plan)
        return any((one.key.number, dn, outside) in shown for dn in (one.source_dn, one.destination_dn))

    gone = [one.ended_at for one in begun if one.ended_at <= at and is_visible(one, plan) and not lives(one)]
    gone_at = max(gone, default=at - SAME_MOMENT)
    return [one for one in begun if one.ended_at <= at - SAME_MOMENT or one.ended_at < gone_at or not lives(one)]


def is_visible(segment: Segment, plan: NumberingPlan) -> bool:
    """True when the PBX shows this client a leg of it while it lasts."""
    return not plan.visible.isdisjoint((segment.source_dn, segment.destination_dn))


def is_outside(segment: Segment, plan: NumberingPlan) -> bool:
    """True when the outside party is on one side."""
    return DnKind.TRUNK in (plan.kind_of(segment.source_dn), plan.kind_of(segment.destination_dn))


def _places(segments: Sequence[Segment], dn: str, at: datetime) -> list[int]:
    """Where the DN's segments of that time stand, the likeliest last: the latest that had begun, by whatever clock."""
    places = [
        place
        for place, one in enumerate(segments)
        if dn in (one.source_dn, one.destination_dn)
        and one.started_at - SAME_MOMENT <= at <= one.ended_at + SAME_MOMENT
    ]
    return sorted(places, key=lambda place: (segments[place].started_at <= at, place))
