"""Calls that are over and their rows in the call log, from short lines; moments are seconds after `table.START`.

10007>820 1-9 @1 Q (820) was replaced by A (202)      who reached whom, from when to when, answered when, the reason
queue 820 1-9                                         a stay that was seen; `@4` for when it was answered
202 blind 4-10                                        a link
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from services.monitor.calls.history import CallKey, Segment
from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    Event,
    EventType,
    Link,
    Participant,
    Transfer,
    event_id,
)
from tests.unit.monitor.table import NUMBER, START

_ROW = re.compile(r"(\S+)>(\S+) ([\d.]+)-([\d.]+)(?: @([\d.]+))?(?: rec=([\d,]+))?(?: (.*))?")
_STAY = re.compile(r"(\S+) (\S+) ([\d.]+)-([\d.]+)(?: @([\d.]+))?")


def at(seconds: float | str) -> datetime:
    """The moment so many seconds after the beginning."""
    return START + timedelta(seconds=float(seconds))


def row(line: str, *, number: int = 10, main: int | None = None, arrived: float = 0.0, ahead: float = 0.0) -> Segment:
    """The row that a line describes; `ahead`: by how many seconds the PBX's clock is ahead of ours."""
    found = _ROW.fullmatch(line)
    assert found is not None, line
    source, destination, began, ended, answered, recordings, reason = found.groups()
    key = CallKey(at(arrived), number)
    segment = Segment(
        key=key,
        main=key if main is None else CallKey(at(0), main),
        source_dn=source,
        source_number=NUMBER if source.startswith("100") else source,
        destination_dn=destination,
        destination_number=destination,
        started_at=at(began),
        answered_at=None if answered is None else at(answered),
        ended_at=at(ended),
        reason=reason or "",
        recording_ids=tuple(int(one) for one in recordings.split(",")) if recordings else (),
    )
    return segment.earlier(timedelta(seconds=-ahead))


def final(
    *,
    stays: str = "",
    links: str = "",
    ended: float,
    direction: Direction = Direction.INBOUND,
    numbers: tuple[int, ...] = (10,),
    arrived: float = 0.0,
) -> Event:
    """The final end of a call; stays and links are separated by commas."""
    call = Call(
        id=CallId("260514120000_10"),
        numbers=numbers,
        direction=direction,
        outside_number=NUMBER,
        did="Sales",
        arrived_at=at(arrived),
        participants=tuple(_participant(one.strip()) for one in stays.split(",") if one.strip()),
        links=tuple(_link(place, one.strip()) for place, one in enumerate(links.split(","), 1) if one.strip()),
    )
    return Event(
        id=event_id("main", call.id, 7),
        type=EventType.ENDED,
        pbx="main",
        call=call,
        link=len(call.links),
        sequence=7,
        occurred_at=at(ended),
        observed_at=at(ended),
        user="202",
        user_kind=DnKind.EXTENSION,
        answered=bool(call.links),
        completion_follows=True,
    )


def _participant(line: str) -> Participant:
    found = _STAY.fullmatch(line)
    assert found is not None, line
    kind, dn, joined, left, answered = found.groups()
    there = Participant(dn=dn, kind=DnKind(kind), joined_at=at(joined), left_at=at(left))
    return there if answered is None else replace(there, answered_at=at(answered))


def _link(number: int, line: str) -> Link:
    user, transfer, times = line.split()
    started, ended = times.split("-")
    return Link(number=number, user=user, transfer=Transfer(transfer), started_at=at(started), ended_at=at(ended))
