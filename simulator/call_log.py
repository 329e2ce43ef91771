"""The call log: one row for each segment that ended, as ReportCallLogData tells it.

Rows are built when they are asked for, so that recording ids and joins that came later are in them.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.numbering import DnKind
from simulator.wire import Row, duration_text, history_id, utc_text

if TYPE_CHECKING:
    from simulator.model import Party, Segment

REPORT_ROW_LIMIT = 20_000
_KEPT_SEGMENTS = 200_000

_DN_TYPES = {
    DnKind.EXTENSION: 0,
    DnKind.TRUNK: 1,
    DnKind.RING_GROUP: 2,
    DnKind.PARKING: 3,
    DnKind.QUEUE: 4,
    DnKind.IVR: 6,
    DnKind.SPECIAL_MENU: 5,
    DnKind.ROUTE_POINT: 14,
}
_CALL_TYPES = {
    DnKind.QUEUE: "Queue",
    DnKind.IVR: "IVR",
    DnKind.RING_GROUP: "Ring Group",
    DnKind.SPECIAL_MENU: "Voicemail",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which rows are asked for, by their start; epoch seconds. `answered` None: all of them.

    Segments that ended after `written_before` have no row yet.
    """

    begin: float
    end: float
    answered: bool | None = None
    written_before: float = math.inf


class CallLog:
    """Segments that ended, in the order of their ends."""

    def __init__(self) -> None:
        self.last_started_at: float | None = None
        self.asked = 0
        """Requests for it, also those that were refused."""
        self._segments: deque[Segment] = deque(maxlen=_KEPT_SEGMENTS)

    def append(self, segment: Segment) -> None:
        self._segments.append(segment)
        self.last_started_at = max(self.last_started_at or 0.0, segment.call.started_at)

    def rows(self, period: Period, *, skip: int = 0, top: int = REPORT_ROW_LIMIT) -> tuple[list[Row], int]:
        """Newest call first; within a call by time; and how many there are without the page.

        Numbers of calls and segments are those of this answer.
        """
        found: dict[str, list[Segment]] = {}
        for count, segment in enumerate(self._within(period)):
            if count == REPORT_ROW_LIMIT:
                break
            found.setdefault(segment.call.conversation.history_id, []).append(segment)
        calls = sorted(found.values(), key=lambda segments: segments[0].call.conversation.calls[0].started_at)
        placed: list[tuple[Segment, int, int]] = []
        for number, segments in enumerate(reversed(calls), 1):
            segments.sort(key=lambda segment: (segment.started_at, segment.record))
            placed.extend((segment, number, place) for place, segment in enumerate(segments, 1))
        page = placed[skip : skip + top]
        return [_row(segment, call=number, place=place) for segment, number, place in page], len(placed)

    def _within(self, period: Period) -> list[Segment]:
        found = []
        for segment in reversed(self._segments):
            if (segment.ended_at or 0.0) < period.begin:
                break
            answered = segment.answered_at is not None
            if (segment.ended_at or 0.0) > period.written_before:
                continue
            if period.begin <= segment.started_at <= period.end and period.answered in {None, answered}:
                found.append(segment)
        return found


def _row(segment: Segment, *, call: int, place: int) -> Row:
    ended = segment.ended_at or segment.started_at
    answered = segment.answered_at is not None
    talked_from = segment.answered_at if segment.answered_at is not None else ended
    return {
        "CallId": call,
        "SegmentId": place,
        "CdrId": history_id(segment.started_at, segment.record),
        "CallHistoryId": segment.call.history_id,
        "MainCallHistoryId": segment.call.conversation.history_id,
        "Indent": 0 if place == 1 else 1,
        "SubrowDescNumber": None,
        "StartTime": utc_text(segment.started_at),
        "Direction": _direction(segment),
        "CallType": _CALL_TYPES.get(segment.destination.kind, "Extension"),
        "Status": "Answered" if answered else "Unanswered",
        "Answered": answered,
        "Reason": segment.reason,
        "RingingDuration": duration_text(talked_from - segment.started_at),
        "TalkingDuration": duration_text(ended - talked_from),
        **_party("Source", segment.source),
        **_party("Destination", segment.destination),
        "ActionType": 0,
        "ActionDnType": None,
        "actionDnDn": None,
        "ActionDnCallerId": None,
        "ActionDnDisplayName": None,
        **_recordings(segment),
        "CallCost": 0,
        "QualityReport": False,
        "Summary": None,
        "Transcription": None,
        "SentimentScore": None,
    }


def _party(side: str, party: Party) -> Row:
    return {
        f"{side}Type": _DN_TYPES.get(party.kind, 0),
        f"{side}Dn": party.dn,
        f"{side}CallerId": party.number if party.outside else f"Ext.{party.dn}",
        f"{side}DisplayName": party.name,
    }


def _recordings(segment: Segment) -> Row:
    """The side that was recorded is the extension's."""
    first = segment.recording_ids[0] if segment.recording_ids else None
    listed = [
        {"Id": identity, "Transcription": None, "Summary": None, "SentimentScore": None}
        for identity in segment.recording_ids
    ]
    outbound = segment.destination.outside
    return {
        "SrcRecId": first if outbound else None,
        "DstRecId": None if outbound else first,
        "Recordings": listed,
        "RecordingUrl": None,
    }


def _direction(segment: Segment) -> str:
    if segment.source.outside:
        return "Inbound Queue" if segment.destination.kind is DnKind.QUEUE else "Inbound"
    return "Outbound" if segment.destination.outside else "Internal"
