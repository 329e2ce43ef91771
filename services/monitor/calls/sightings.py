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
    from collections.abc import Mapping, Sequence
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
        fitting = [
            (is_outside(segments[place], plan) == leg.shows_outside, place)
            for place in _places(segments, leg.dn, at)
            if segments[place].ended_at > at
        ]
        if fitting:
            found[max(fitting)[1], leg.dn] = leg
    live = {leg.dn for leg in call.legs.values()}
    for one in call.participants:
        if one.left_at is None and one.dn in live:
            continue
        places = [place for place in _places(segments, one.dn, one.joined_at) if (place, one.dn) not in found]
        if places:
            found[places[-1], one.dn] = None
    return found


def is_outside(segment: Segment, plan: NumberingPlan) -> bool:
    """True when the outside party is on one side."""
    return DnKind.TRUNK in (plan.kind_of(segment.source_dn), plan.kind_of(segment.destination_dn))


def _places(segments: Sequence[Segment], dn: str, at: datetime) -> list[int]:
    """Where the DN's segments of that time stand, in order of their beginnings."""
    return [
        place
        for place, one in enumerate(segments)
        if dn in (one.source_dn, one.destination_dn)
        and one.started_at - SAME_MOMENT <= at <= one.ended_at + SAME_MOMENT
    ]
