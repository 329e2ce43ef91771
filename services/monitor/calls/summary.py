"""The figures of a call that is over: from its rows in the PBX's call log, or from what was seen of it while it lived.

Both ways a call is a list of stays: who was in it, from when to when, and whether they answered. Ringing, waiting and
the unanswered follow from the stays in the same way; what the PBX's record alone knows (who hung up, the recordings) is
left unknown without it. Rows between two extensions are consultations and do not count in a call with an outside party.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.logged import SAME_MOMENT, arrival_shift
from switchhook.events import Direction, DnKind, EndedBy, Handover, Summary, SummarySource, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.numbering import NumberingPlan
    from switchhook.events import Call, Event

_ENDED_BY = re.compile(r"\s*ended by\b.*\(([^()]*)\)\s*\.?\s*", re.IGNORECASE)
_WAITS_AT = frozenset({DnKind.QUEUE, DnKind.IVR})
_RINGS_AT = frozenset({DnKind.EXTENSION, DnKind.RING_GROUP})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stay:
    """One DN's time in the call; `is_caller` for the extension that made the call."""

    dn: str
    kind: DnKind
    began_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    is_caller: bool = False


def from_own_clock(final: Event) -> Summary:
    """What was seen of the call whose final end this is."""
    call, over_at = final.call, final.occurred_at
    stays = _seen(call, over_at)
    talks = [(link.started_at, link.ended_at or over_at) for link in call.links]
    return _summary(SummarySource.OWN_CLOCK, call, stays, talks, over_at=over_at)


def from_call_log(final: Event, rows: Sequence[Segment], plan: NumberingPlan) -> Summary:
    """What the PBX's record has of it; `rows` are those of this call alone, and not empty."""
    call = final.call
    own = [row for row in rows if _counts(row, call, plan)]
    stays = [_stay(row, call, plan) for row in own]
    talks = [
        (row.answered_at, row.ended_at) for row in own if row.answered_at is not None and _is_talk(row, call, plan)
    ]
    over_at = max(row.ended_at for row in rows)
    ended_by, user = _ended_by(call, rows, plan)
    return _summary(
        SummarySource.CALL_LOG,
        call,
        stays,
        talks,
        over_at=over_at,
        ended_by=ended_by,
        ended_by_user=user,
        recording_ids=tuple(dict.fromkeys(identity for row in own for identity in row.recording_ids)),
    )


def is_told_by(rows: Sequence[Segment], final: Event, plan: NumberingPlan, *, to_the_end: bool) -> bool:
    """True when the rows have every conversation of the call, and (`to_the_end`) reach to its end.

    Rows come one by one, each some time after its segment ended.
    """
    call = final.call
    if not rows:
        return False
    talked = {_inside(row, plan) for row in rows if row.answered_at is not None and _is_talk(row, call, plan)}
    if any(link.user not in talked for link in call.links):
        return False
    over_at = max(row.ended_at for row in rows) + arrival_shift(call, rows)
    return not to_the_end or over_at >= final.occurred_at - SAME_MOMENT


def _summary(
    source: SummarySource,
    call: Call,
    stays: Sequence[_Stay],
    talks: Sequence[tuple[datetime, datetime]],
    *,
    over_at: datetime,
    ended_by: EndedBy = EndedBy.UNKNOWN,
    ended_by_user: str = "",
    recording_ids: tuple[int, ...] = (),
) -> Summary:
    first_answer_at = min((started_at for started_at, _ in talks), default=over_at)
    rang = [
        (stay.began_at, min(stay.answered_at or stay.ended_at, first_answer_at))
        for stay in stays
        if stay.kind in _RINGS_AT
    ]
    queues = [stay for stay in (*stays, *_seen(call, over_at)) if stay.kind is DnKind.QUEUE]
    return Summary(
        source=source,
        ringing=_covered(rang),
        waiting=_covered((stay.began_at, stay.ended_at) for stay in stays if stay.kind in _WAITS_AT),
        talking=sum((ended_at - started_at for started_at, ended_at in talks), timedelta()),
        ended_by=ended_by,
        ended_by_user=ended_by_user,
        transfers=tuple(
            Handover(link=link.number, user=link.user, transfer=link.transfer)
            for link in call.links
            if link.transfer is not Transfer.NONE
        ),
        did=call.did,
        queue=max(queues, key=lambda stay: stay.began_at).dn if queues else "",
        unanswered=_unanswered([*_seen(call, over_at), *stays], call),
        recording_ids=recording_ids,
    )


def _seen(call: Call, over_at: datetime) -> list[_Stay]:
    caller = None
    if call.direction is Direction.OUTBOUND:
        caller = next((one.dn for one in call.participants if one.kind is DnKind.EXTENSION), None)
    return [
        _Stay(
            dn=one.dn,
            kind=one.kind,
            began_at=one.joined_at,
            answered_at=one.answered_at,
            ended_at=one.left_at or over_at,
            is_caller=one.dn == caller,
        )
        for one in call.participants
    ]


def _stay(row: Segment, call: Call, plan: NumberingPlan) -> _Stay:
    dn = _inside(row, plan)
    return _Stay(
        dn=dn,
        kind=plan.kind_of(dn),
        began_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        is_caller=call.direction is not Direction.INTERNAL and dn == row.source_dn,
    )


def _inside(row: Segment, plan: NumberingPlan) -> str:
    """The PBX's own side of a row."""
    return row.source_dn if plan.kind_of(row.destination_dn) is DnKind.TRUNK else row.destination_dn


def _counts(row: Segment, call: Call, plan: NumberingPlan) -> bool:
    kinds = (plan.kind_of(row.source_dn), plan.kind_of(row.destination_dn))
    return call.direction is Direction.INTERNAL or kinds != (DnKind.EXTENSION, DnKind.EXTENSION)


def _is_talk(row: Segment, call: Call, plan: NumberingPlan) -> bool:
    return _counts(row, call, plan) and plan.kind_of(_inside(row, plan)) is DnKind.EXTENSION


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """How long at least one of the spans lasted."""
    total = timedelta()
    reached: datetime | None = None
    for begin, end in sorted(spans):
        start = begin if reached is None else max(begin, reached)
        if end > start:
            total += end - start
            reached = end
    return total


def _unanswered(stays: Sequence[_Stay], call: Call) -> tuple[str, ...]:
    """The extensions that rang and never talked, in the order in which they rang first."""
    talked = {stay.dn for stay in stays if stay.answered_at is not None} | {link.user for link in call.links}
    rang = [stay for stay in stays if stay.kind is DnKind.EXTENSION and not stay.is_caller and stay.dn not in talked]
    return tuple(dict.fromkeys(stay.dn for stay in sorted(rang, key=lambda stay: stay.began_at)))


def _ended_by(call: Call, rows: Sequence[Segment], plan: NumberingPlan) -> tuple[EndedBy, str]:
    """Who hung up, by the PBX's sentence in its last rows; unknown in a language other than English."""
    last = max(row.ended_at for row in rows)
    closing = [row for row in rows if last - row.ended_at <= SAME_MOMENT]
    inside = {dn for row in rows for dn in (row.source_dn, row.destination_dn)}
    # Where several rows end together, the conversation's is the one to believe.
    for row in sorted(closing, key=lambda row: (row.answered_at is not None, row.ended_at), reverse=True):
        found = _ENDED_BY.fullmatch(row.reason)
        if found is None:
            continue
        number = found[1].strip().removeprefix("Ext.")
        match plan.kind_of(number):
            case DnKind.EXTENSION:
                return EndedBy.EXTENSION, number
            case DnKind.UNKNOWN if number in inside:
                return EndedBy.EXTENSION, number
            case DnKind.UNKNOWN | DnKind.TRUNK if call.direction is not Direction.INTERNAL:
                return EndedBy.OUTSIDE, ""
            case _:
                continue
    return EndedBy.UNKNOWN, ""
