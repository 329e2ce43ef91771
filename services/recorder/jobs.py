"""A call whose recordings are owed: its links, what became of each, and what may be told about them now.

Every link gets exactly one outcome. Outcomes are told newest link first, whatever order they come in, and each has its
place in the call's sequence beforehand: a job that is done twice tells the same event. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from services.recorder.matching import AwaitedLink, LinkKey
from switchhook.events import Direction, DnKind, Event, EventType, Recording, event_id
from switchhook.telemetry.traceparent import derived

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from switchhook.events import CallId, RecordingFile


class Reason(StrEnum):
    """Why there is no MP3; `NONE` when there is one."""

    NONE = "none"
    NO_RECORDING = "no_recording"
    EMPTY = "empty"
    NOT_WAV = "not_wav"
    HEADER_ONLY = "header_only"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    TRUNCATED = "truncated"
    FILE_NOT_FOUND = "file_not_found"
    REFUSED = "refused"
    BAD_SOURCE = "bad_source"
    TIMED_OUT = "timed_out"
    KILLED = "killed"
    FFMPEG_FAILED = "ffmpeg_failed"
    WRONG_DURATION = "wrong_duration"
    PBX_UNKNOWN = "pbx_unknown"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Ready:
    """The MP3 files of the link, in the order in which they began."""

    files: tuple[RecordingFile, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The PBX listed no recording in time, or one in which nothing can be heard."""

    reason: Reason = Reason.NO_RECORDING


@dataclass(frozen=True, slots=True)
class Failed:
    """There was a recording, but no MP3 could be made of it."""

    reason: Reason


Outcome = Ready | Absent | Failed

NOTHING_TO_HEAR = frozenset({Reason.HEADER_ONLY, Reason.TOO_SHORT, Reason.SILENT})
"""Reasons for which a recording is absent rather than failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An outcome that may be told now, and its place in the call's sequence."""

    link: int
    outcome: Outcome
    sequence: int


@dataclass(slots=True, kw_only=True)
class PendingCall:
    """A call that is over, until all its links' outcomes are told. `links`: newest first; `told`: how many of them.

    `last_sequence` is that of the call's last event before those of its recordings.
    One that is not matched was made up for a recording that belongs to no call; what is not announced is only kept.
    `found` are the links that are not looked for any more, though they may have no outcome yet.
    """

    pbx: str
    call_id: CallId
    last_sequence: int
    ended_at: datetime
    accepted_at: datetime
    links: tuple[AwaitedLink, ...]
    told: int = 0
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    found: set[int] = field(default_factory=set)
    told_at: datetime | None = None
    is_matched: bool = True
    is_announced: bool = True

    def due(self, outcomes: Mapping[int, Outcome]) -> list[Due]:
        """What may be told, in order, once `outcomes` (by link) are known."""
        ready = []
        for place, link in enumerate(self.links[self.told :], start=self.told + 1):
            outcome = outcomes.get(link.key.link)
            if outcome is None:
                break
            ready.append(Due(link=link.key.link, outcome=outcome, sequence=self.last_sequence + place))
        return ready

    @property
    def looked_for(self) -> list[AwaitedLink]:
        """The links of which nothing was found yet."""
        return [link for link in self.links if link.key.link not in self.outcomes and link.key.link not in self.found]

    @property
    def is_over(self) -> bool:
        """True when every link's outcome was told."""
        return self.told == len(self.links)


def pending_call(final: Event, *, accepted_at: datetime) -> PendingCall:
    """What is owed after the final end event of a call."""
    call = final.call
    links = [
        AwaitedLink(
            key=LinkKey(final.pbx, call.id, link.number),
            numbers=call.numbers,
            user=link.user,
            outside_number=call.outside_number,
            started_at=link.started_at,
            ended_at=link.ended_at or final.occurred_at,
            is_internal=call.direction is Direction.INTERNAL,
            did=call.did,
            direction=call.direction.value,
            owed_at=accepted_at,
            traceparent=derived(final.traceparent, f"recording-{link.number}"),
        )
        for link in sorted(call.links, key=lambda link: link.number, reverse=True)
    ]
    return PendingCall(
        pbx=final.pbx,
        call_id=call.id,
        last_sequence=final.sequence + final.completion_follows,
        ended_at=final.occurred_at,
        accepted_at=accepted_at,
        links=tuple(links),
    )


def recording_event(final: Event, due: Due, *, at: datetime, retention: timedelta) -> Event:
    """The event that tells an outcome; `at`: when it became known."""
    link = next(link for link in final.call.links if link.number == due.link)
    ended_at = link.ended_at or final.occurred_at
    is_last = due.link == final.link and final.answered
    match due.outcome:
        case Ready(files):
            kind, recording = EventType.RECORDING_READY, Recording(files=files, expires_at=ended_at + retention)
        case Absent(reason):
            kind, recording = EventType.RECORDING_ABSENT, Recording(reason=reason.value)
        case Failed(reason):
            kind, recording = EventType.RECORDING_FAILED, Recording(reason=reason.value)
        case _:
            assert_never(due.outcome)
    identity = event_id(final.pbx, final.call.id, due.sequence)
    return replace(
        final,
        id=identity,
        type=kind,
        link=due.link,
        sequence=due.sequence,
        occurred_at=at,
        observed_at=at,
        user=link.user,
        user_kind=DnKind.EXTENSION,
        answered=True,
        transferred=not is_last,
        talk_time=final.talk_time if is_last and final.talk_time is not None else ended_at - link.started_at,
        callback_requested=final.callback_requested and is_last,
        reconciled=False,
        recording=recording,
        completion_follows=False,
        traceparent=derived(final.traceparent, identity),
    )
