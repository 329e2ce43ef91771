"""Events for tests: plain ones by their number, and any at all by property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from switchhook.events import Call, CallId, Direction, DnKind, Event, EventId, EventType, Participant, event_id

ARRIVED_AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


def ringing(sequence: int, *, call: str = "260301093000_7", pbx: str = "main") -> Event:
    """The `sequence`-th event of a call, an hour's worth of them a second apart."""
    call_id = CallId(call)
    at = ARRIVED_AT + timedelta(seconds=sequence)
    return Event(
        id=event_id(pbx, call_id, sequence),
        type=EventType.RINGING,
        pbx=pbx,
        call=Call(
            id=call_id,
            numbers=(7,),
            direction=Direction.INBOUND,
            outside_number="420777123456",
            did="Main line",
            arrived_at=ARRIVED_AT,
            participants=(Participant(dn="100", kind=DnKind.EXTENSION, joined_at=at),),
        ),
        link=0,
        sequence=sequence,
        occurred_at=at,
        observed_at=at,
        user="100",
        user_kind=DnKind.EXTENSION,
    )


def ids(count: int, *, first: int = 1) -> list[EventId]:
    """The ids of `ringing(first)` and those after it."""
    return [ringing(number).id for number in range(first, first + count)]
