"""The figures of a completed call as the PBX really had them, and how a `call.completed` compares with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simulator.numbering import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator import Play
    from simulator.model import Segment
    from tests.receiver import Webhook

_LOG_OFF = 0.05  # seconds; the log tells hundredths, row by row
_CLOCK_OFF = 0.75  # seconds; what a loaded machine may add to what it sees, or take from it
_NUMBER = re.compile(r"Ended by .*\((.*)\)")


def figures_of(play: Play, *, has_log: bool) -> dict[str, Any]:
    """`data.summary` of the call, once it is over and recorded. Of DIDs the PBX's record tells nothing."""
    segments = [one for one in play.call.conversation.segments if _is_outside(one)]
    links = [one for one in segments if one.answered_at is not None and _user(one).kind is DnKind.EXTENSION]
    over_at = max(_ended(one) for one in segments)
    answered_at = min((one.answered_at for one in links if one.answered_at is not None), default=over_at)
    rang = [
        (one.started_at, min(one.answered_at or _ended(one), answered_at))
        for one in segments
        if _user(one).kind in (DnKind.EXTENSION, DnKind.RING_GROUP)
    ]
    held = [one for one in segments if _user(one).kind in (DnKind.QUEUE, DnKind.IVR)]
    users = {_user(one).dn for one in links}
    missed = [one for one in segments if _user(one).kind is DnKind.EXTENSION and one.source.outside]
    queues = [_user(one).dn for one in segments if _user(one).kind is DnKind.QUEUE]
    ended_by = _ended_by(max(segments, key=_ended), play) if has_log else ("unknown", None)
    return {
        "source": "call_log" if has_log else "own_clock",
        "ringing_seconds": _covered(rang),
        "waiting_seconds": _covered((one.started_at, _ended(one)) for one in held),
        "talking_seconds": sum(_ended(one) - (one.answered_at or 0.0) for one in links),
        "ended_by": ended_by[0],
        "ended_by_user": ended_by[1],
        "transfers": [
            {"link": number, "user": _user(one).dn, "transfer": "blind" if "blind" in play.scenario else "attended"}
            for number, one in enumerate(sorted(links, key=lambda one: one.answered_at or 0.0), 1)
            if number > 1
        ],
        "queue": queues[-1] if queues else None,
        "unanswered": list(dict.fromkeys(_user(one).dn for one in missed if _user(one).dn not in users)),
        "recording_ids": [identity for one in links for identity in one.recording_ids] if has_log else [],
    }


def figure_differences(webhook: Webhook, wanted: dict[str, Any]) -> list[str]:
    """Where the completed call's figures are not the true ones."""
    data: dict[str, Any] = dict(webhook.json)["data"]  # type: ignore[assignment]  # JSON
    off = _LOG_OFF if wanted["source"] == "call_log" else _CLOCK_OFF
    got = {name: data["summary"][name] for name in wanted}
    found = []
    for name, value in wanted.items():
        is_time = name.endswith("_seconds")
        if abs(got[name] - value) > off if is_time else got[name] != value:
            found.append(f"completed: {name} is {got[name]}, truly {value}")
    if data["summary"]["did"] != data["call"]["did"]:
        found.append(f"completed: {data['summary']['did']} is not the DID of the call")
    return found


def _is_outside(segment: Segment) -> bool:
    return segment.source.outside or segment.destination.outside


def _user(segment: Segment) -> Any:
    return segment.source if segment.destination.outside else segment.destination


def _ended(segment: Segment) -> float:
    assert segment.ended_at is not None, "the call is not over"
    return segment.ended_at


def _ended_by(last: Segment, play: Play) -> tuple[str, str | None]:
    found = _NUMBER.fullmatch(last.reason)
    assert found is not None, last.reason
    return ("outside", None) if found[1] == play.cast.number else ("extension", found[1])


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one span was; counted a hundredth at a time."""
    hundredths: set[int] = set()
    for begin, end in spans:
        hundredths.update(range(round(begin * 100), round(end * 100)))
    return len(hundredths) / 100
