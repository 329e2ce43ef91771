"""One plausible event of every type, all of one invented call and its recording. Pure.

For looking at formats, for tests of templates, and for test webhooks to endpoints: nobody has to wait for a real call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    EndedBy,
    Event,
    EventType,
    Link,
    Participant,
    Recording,
    RecordingFile,
    Summary,
    SummarySource,
    Transfer,
    event_id,
)
from switchhook.links import recording_path

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
PBX = "main"
QUEUE, FIRST, SECOND = "800", "101", "102"
# Seconds after the arrival: the queue, then two extensions ring; the second answers, talks, and hangs up.
RINGS, STOPS, STARTS, ENDS = 2.0, 9.4, 9.5, 134.25
RETENTION = timedelta(days=90)
DIGEST = "3f4d1c0a" * 8
SUMMARY = Summary(
    source=SummarySource.CALL_LOG,
    ringing=timedelta(seconds=STARTS - RINGS),
    waiting=timedelta(seconds=STARTS),
    talking=timedelta(seconds=ENDS - STARTS),
    ended_by=EndedBy.EXTENSION,
    ended_by_user=SECOND,
    did="Sales",
    queue=QUEUE,
    unanswered=(FIRST,),
    recording_ids=(4711,),
)


def sample_events(*, pbx: str = PBX, at: datetime = AT) -> tuple[Event, ...]:
    """An event of every type, in the order in which they could happen to a call that arrived `at` (aware)."""
    call = _call(at)
    rings = _event(1, EventType.RINGING, call, at, after=RINGS, user=FIRST)
    stops = _event(3, EventType.RINGING_STOPPED, _call(at, after=STOPS), at, after=STOPS, user=FIRST)
    starts = _event(4, EventType.STARTED, _call(at, after=STARTS), at, after=STARTS, user=SECOND, link=1)
    over = _call(at, after=ENDS)
    ends = _event(5, EventType.ENDED, over, at, after=ENDS, user=SECOND, link=1)
    talked = timedelta(seconds=ENDS - STARTS)
    ends = replace(ends, answered=True, talk_time=talked)
    later = replace(ends, occurred_at=ends.occurred_at + timedelta(seconds=5))
    events = (
        rings,
        _dialing(call, at),
        stops,
        starts,
        ends,
        replace(_as(ends, 6, EventType.COMPLETED), summary=SUMMARY),
        replace(_as(later, 7, EventType.RECORDING_READY), recording=_recording(over, later.occurred_at)),
        replace(_as(later, 8, EventType.RECORDING_ABSENT), recording=Recording(reason="no recording came within 10m")),
        replace(_as(later, 9, EventType.RECORDING_FAILED), recording=Recording(reason="the file cannot be converted")),
    )
    return tuple(replace(event, pbx=pbx, id=event_id(pbx, event.call.id, event.sequence)) for event in events)


def awkward_events(*, pbx: str = PBX, at: datetime = AT) -> Iterator[Event]:
    """The same events with the least that can be known, and with names that need care in JSON and in addresses."""
    for event in sample_events(pbx=pbx, at=at):
        bare = replace(event.call, did="", outside_number="", participants=(), links=())
        yield replace(event, call=bare, link=0, user="", answered=False, talk_time=None, recording=event.recording)
        named = replace(event.call, did='Müller & "Söhne" \\ 50 %\n', outside_number="anonymous/1?x=#")
        yield replace(event, call=named, transfer=Transfer.ATTENDED, callback_requested=True, reconciled=True)


def _event(
    sequence: int, kind: EventType, call: Call, at: datetime, *, after: float, user: str, link: int = 0
) -> Event:
    now = at + timedelta(seconds=after)
    return Event(
        id=event_id(PBX, call.id, sequence),
        type=kind,
        pbx=PBX,
        call=call,
        link=link,
        sequence=sequence,
        occurred_at=now,
        observed_at=now,
        user=user,
        user_kind=DnKind.EXTENSION,
    )


def _as(event: Event, sequence: int, kind: EventType) -> Event:
    return replace(event, sequence=sequence, type=kind)


def _dialing(call: Call, at: datetime) -> Event:
    """Of another call, because only an outgoing one dials."""
    dialled = replace(
        call,
        id=_call_id(at, 8),
        numbers=(8,),
        direction=Direction.OUTBOUND,
        did="",
        participants=(Participant(dn=FIRST, kind=DnKind.EXTENSION, joined_at=at),),
    )
    return _event(1, EventType.DIALING, dialled, at, after=0, user=FIRST)


def _call(at: datetime, *, after: float = RINGS) -> Call:
    """The call as it is so many seconds after its arrival."""

    def moment(seconds: float) -> datetime | None:
        return at + timedelta(seconds=seconds) if after >= seconds else None

    started_at = moment(STARTS)
    return Call(
        id=_call_id(at, 7),
        numbers=(7,),
        direction=Direction.INBOUND,
        outside_number="420777123456",
        did="Sales",
        arrived_at=at,
        participants=(
            Participant(dn=QUEUE, kind=DnKind.QUEUE, joined_at=at, left_at=moment(STARTS)),
            Participant(
                dn=FIRST, kind=DnKind.EXTENSION, joined_at=at + timedelta(seconds=RINGS), left_at=moment(STOPS)
            ),
            Participant(
                dn=SECOND,
                kind=DnKind.EXTENSION,
                joined_at=at + timedelta(seconds=RINGS),
                answered_at=started_at,
                left_at=moment(ENDS),
            ),
        ),
        links=()
        if started_at is None
        else (Link(number=1, user=SECOND, transfer=Transfer.NONE, started_at=started_at, ended_at=moment(ENDS)),),
    )


def _recording(call: Call, at: datetime) -> Recording:
    talked = timedelta(seconds=ENDS - STARTS)
    file = RecordingFile(
        index=1, path=recording_path(call.id, 1, 1), duration=talked, size=499_008, sha256=DIGEST, channels=1
    )
    return Recording(files=(file,), expires_at=at + RETENTION)


def _call_id(at: datetime, number: int) -> CallId:
    return CallId(f"{at:%y%m%d%H%M%S}_{number}")
