"""The witness of a capture: sees every frame and every answer, notes them, and remembers them in the PBX's words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.monitor.call_log import read_segment
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import PayloadError, participant_from, read_leg, rows
from services.monitor.unknowns import Unknown, Unknowns
from switchhook.errors import PbxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import Leg
    from services.monitor.scenario.writing import Writing
    from switchhook.runtime.clock import Clock

_MOST_REMEMBERED = 20_000
"""Legs; of others only what the tracker looks at is written."""


class CaptureWitness:
    """What the PBX showed last, in its own words, by what was read of it."""

    def __init__(self, append: Callable[[str], None], writing: Writing, *, clock: Clock) -> None:
        self.unknowns = Unknowns(self._unknown)
        self.append = append
        self.writing = writing
        self._clock = clock
        self._by_leg: dict[Leg, Mapping[str, Any]] = {}
        self._segments: dict[tuple[object, ...], tuple[Segment, Mapping[str, Any]]] = {}
        self.rows: dict[int, Mapping[str, Any]] = {}
        self.plan = NumberingPlan()

    def leg(self, shown: object, leg: Leg | None) -> None:
        """A participant of a frame."""
        self.unknowns.participant(shown)
        if leg is not None and isinstance(shown, dict):
            self._remember(leg, shown)
        else:
            self.append(self.writing.unreadable("participant", self._clock()))

    def frame(self, event_type: int, entity: str, attached: object) -> None:
        """A frame that tells nothing of a leg."""
        self.unknowns.frame(event_type, entity, attached)
        self.append(self.writing.frame(event_type, entity, attached, self._clock()))

    def unreadable(self) -> None:
        """A message that is no frame."""
        self.append(self.writing.unreadable("message", self._clock()))

    def answer(self, path: str, answer: object) -> None:
        """The answer to an HTTP request, or the error instead of one."""
        if isinstance(answer, PbxError):
            self.append(self.writing.refusal(path, type(answer).__name__, self._clock()))
            return
        self.append(self.writing.answer(path, answer, self._clock()))
        self.unknowns.answer(path, answer)
        if path == "/callcontrol":
            self._remember_legs(answer)
        elif path == "/xapi/v1/ActiveCalls":
            self.rows = {row["Id"]: row for row in rows(answer) if isinstance(row.get("Id"), int)}
        elif path.startswith("/xapi/v1/ReportCallLogData/"):
            for row in rows(answer):
                if (segment := read_segment(row)) is not None:
                    self._segments[_place(segment)] = (segment, row)

    def connected(self) -> None:
        """The PBX is followed (again)."""
        self.append(self.writing.note("connected", self._clock()))

    def participant(self, leg: Leg) -> Mapping[str, Any]:
        """The leg as the PBX showed it; without what was not looked at where that is forgotten."""
        return self._by_leg.get(leg) or participant_from(leg)

    def segments(self, told: Sequence[Segment]) -> tuple[list[Mapping[str, Any]], timedelta]:
        """The rows of the call log that these segments were read from, and how far its clock was ahead of ours."""
        pairs = [(one, *self._segments[_place(one)]) for one in told if _place(one) in self._segments]
        self._segments.clear()
        ahead = pairs[0][1].started_at - pairs[0][0].started_at if pairs else timedelta()
        return [row for _, _, row in pairs], ahead

    def _unknown(self, what: Unknown, name: str, is_new: bool) -> None:
        if is_new:
            self.append(self.writing.note("unknown", self._clock(), what, name))

    def _remember_legs(self, answer: object) -> None:
        for dn in answer if isinstance(answer, list) else ():
            shown = dn.get("participants") if isinstance(dn, dict) else None
            for participant in shown if isinstance(shown, list) else ():
                try:
                    self._remember(read_leg(participant, self.plan), participant)
                except PayloadError:
                    self.append(self.writing.unreadable("participant", self._clock()))

    def _remember(self, leg: Leg, shown: Mapping[str, Any]) -> None:
        if len(self._by_leg) >= _MOST_REMEMBERED:
            self._by_leg.clear()
        self._by_leg[leg] = shown


def _place(segment: Segment) -> tuple[object, ...]:
    """What a segment is known by, however wrong the PBX's clock is."""
    since = segment.started_at - segment.key.arrived_at
    length = segment.ended_at - segment.started_at
    return segment.key.number, since, length, segment.source_dn, segment.destination_dn
