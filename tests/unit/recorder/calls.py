"""A call that is over, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.recorder.rows import RecordingRow
from switchhook.events import Call, CallId, Direction, DnKind, Event, EventType, Link, Transfer, event_id

START = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
NUMBER = 46


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def final(*, links: int = 1, number: int = NUMBER) -> Event:
    """The final end of a call whose links last a minute each, one after the other, of extensions 101, 102, …"""
    call_id = CallId(f"260514120000_{number}")
    ended_at = after(60 * links)
    return Event(
        id=event_id("main", call_id, 9),
        type=EventType.ENDED,
        pbx="main",
        call=Call(
            id=call_id,
            numbers=(number,),
            direction=Direction.INBOUND,
            outside_number="420777",
            did="",
            arrived_at=START,
            links=tuple(
                Link(
                    number=n,
                    user=str(100 + n),
                    transfer=Transfer.NONE if n == 1 else Transfer.BLIND,
                    started_at=after(60 * n - 60),
                    ended_at=after(60 * n),
                )
                for n in range(1, links + 1)
            ),
        ),
        link=links,
        sequence=9,
        occurred_at=ended_at,
        observed_at=ended_at,
        user=str(100 + links),
        user_kind=DnKind.EXTENSION,
        answered=True,
        talk_time=timedelta(seconds=59),
        callback_requested=True,
        reconciled=True,
    )


def row(identity: int, *, link: int = 1, number: int = NUMBER, begin: float = 0) -> RecordingRow:
    started_at = after(60 * link - 60 + begin)
    return RecordingRow(
        id=identity,
        call_number=number,
        sides=frozenset({str(100 + link), "420777"}),
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=20),
    )
