"""Which frame of the PBX caused which event of the monitor, and how long the event took to its sink. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from switchhook.events import DnKind, EventType, is_final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from switchhook.events import Event

_UPSERT = 0
_UNSEEN_END = 0.05  # seconds
_STATUS = {EventType.DIALING: "Dialing", EventType.STARTED: "Connected"}
_WITHOUT_A_FRAME = (EventType.RINGING_STOPPED, EventType.COMPLETED)
Cause = tuple[int, str, str]
"""Call number, DN and status that were shown; the end of a call has neither DN nor status."""


@dataclass(slots=True)
class Promptness:
    """`waits` in seconds, of events whose frame is known; `ended` the reported calls that ended, by the PBX's list."""

    waits: list[float] = field(default_factory=list)
    unmatched: int = 0
    ended: int = 0
    final_ends: int = 0


def promptness(
    reports: Sequence[Mapping[str, Any]], events: Iterable[tuple[float, Event]], *, since: float, until: float
) -> Promptness:
    """Of the events that came in a time (epoch seconds), by the report of each PBX; `pbx3` has the fourth."""
    found = Promptness()
    causes = [_causes(report, since) for report in reports]
    for report in reports:
        found.ended += sum(
            since <= (play["ended_at"] or 0.0) <= until and play["direction"] != "Internal" for play in report["plays"]
        )
    for at, event in events:
        if not since <= at <= until:
            continue
        found.final_ends += is_final(event)
        frame_at = _frame_at(event, causes[int(event.pbx.removeprefix("pbx"))])
        if frame_at is not None:
            found.waits.append(at - frame_at)
        elif event.occurred_at.timestamp() > since:
            found.unmatched += event.type not in _WITHOUT_A_FRAME and not event.transferred
    return found


def _causes(report: Mapping[str, Any], since: float) -> dict[Cause, float]:
    """When each was shown first; of an end, the last frame's moment."""
    causes: dict[Cause, float] = {}
    for frame in report["frames"]:
        if frame["event_type"] == _UPSERT:
            causes.setdefault((frame["callid"], frame["dn"], frame["status"]), frame["at"])
        else:
            causes[frame["callid"], "", ""] = frame["at"]
    for play in report["plays"]:  # a voicemail box or a ring group held it after its last visible leg
        over = causes.get((play["callid"], "", ""))
        if over is not None and (play["ended_at"] or 0.0) - over > _UNSEEN_END:
            del causes[play["callid"], "", ""]
    return {cause: at for cause, at in causes.items() if at >= since}


def _frame_at(event: Event, causes: Mapping[Cause, float]) -> float | None:
    if is_final(event):
        return max((causes[key] for key in _keys(event, "", "") if key in causes), default=None)
    status = _STATUS.get(event.type)
    if event.type is EventType.RINGING:
        status = "Ringing" if event.user_kind is DnKind.EXTENSION else "Connected"
    if status is None:
        return None
    return min((causes[key] for key in _keys(event, event.user, status) if key in causes), default=None)


def _keys(event: Event, dn: str, status: str) -> list[Cause]:
    return [(number, dn, status) for number in event.call.numbers]
