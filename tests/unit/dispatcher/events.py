"""Events for the dispatcher's tests, with everything that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    Event,
    EventType,
    Origin,
    Recording,
    RecordingFile,
    event_id,
)
from switchhook.links import recording_path

NOON = datetime(2023, 3, 7, 12, 0, tzinfo=UTC)
CALL_ID = CallId("230307114903_10")


def a_call(call_id: str = CALL_ID, **changes: Any) -> Call:
    """An inbound call, unless the changes say otherwise."""
    call = Call(
        id=CallId(call_id),
        numbers=(10,),
        direction=Direction.INBOUND,
        outside_number="05552221133",
        did="",
        arrived_at=NOON,
        origin=Origin.PERSON,
    )
    return replace(call, **changes)


def an_event(
    type: EventType = EventType.RINGING, *, sequence: int = 1, call: Call | None = None, **changes: Any
) -> Event:
    """An event of the PBX `main`, unless the changes say otherwise."""
    call = call or a_call()
    pbx = changes.get("pbx", "main")
    event = Event(
        id=event_id(pbx, call.id, sequence),
        type=type,
        pbx="main",
        call=call,
        link=0,
        sequence=sequence,
        occurred_at=NOON,
        observed_at=NOON,
        user="202",
        user_kind=DnKind.EXTENSION,
    )
    return replace(event, **changes)


def a_recording(call_id: str = CALL_ID, *, link: int = 1, files: int = 1) -> Recording:
    """The MP3s of one link."""
    return Recording(
        files=tuple(
            RecordingFile(
                index=index,
                path=recording_path(CallId(call_id), link, index),
                duration=timedelta(seconds=6),
                size=24_000,
                sha256="0" * 64,
                channels=1,
            )
            for index in range(1, files + 1)
        ),
        expires_at=NOON + timedelta(days=90),
    )
