"""How many calls live, and where they stand, is known from their events alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.monitor.metrics import MonitorMetrics
from services.monitor.standing import CallOutcome, CallState, outcome_of, state_of
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

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
QUEUE = Participant(dn="800", kind=DnKind.QUEUE, joined_at=NOW)
PHONE = Participant(dn="102", kind=DnKind.EXTENSION, joined_at=NOW)
TALK = Link(number=1, user="102", transfer=Transfer.NONE, started_at=NOW)


def call(participants: Sequence[Participant] = (), links: Sequence[Link] = ()) -> Call:
    return Call(
        id=CallId("260302090000_1"),
        numbers=(1,),
        direction=Direction.INBOUND,
        outside_number="0602999888",
        did="",
        arrived_at=NOW,
        participants=tuple(participants),
        links=tuple(links),
    )


def event(kind: EventType, about: Call, *, sequence: int, transferred: bool = False, late: bool = False) -> Event:
    return Event(
        id=event_id("main", about.id, sequence),
        type=kind,
        pbx="main",
        call=about,
        link=len(about.links),
        sequence=sequence,
        occurred_at=NOW,
        observed_at=NOW,
        transferred=transferred,
        reconciled=late,
    )


def test_a_call_waits_rings_and_talks() -> None:
    gone = replace(PHONE, left_at=NOW)
    assert state_of(call([QUEUE])) is CallState.WAITING
    assert state_of(call([QUEUE, PHONE])) is CallState.RINGING
    assert state_of(call([QUEUE, gone])) is CallState.WAITING
    assert state_of(call()) is CallState.RINGING
    assert state_of(call([PHONE], [TALK])) is CallState.TALKING
    assert state_of(call([gone, replace(PHONE, dn="103")], [replace(TALK, ended_at=NOW)])) is CallState.RINGING


def test_a_call_that_nobody_answered_was_missed() -> None:
    assert outcome_of(event(EventType.ENDED, call(), sequence=1)) is CallOutcome.MISSED
    assert outcome_of(event(EventType.ENDED, call(links=[TALK]), sequence=1)) is CallOutcome.ANSWERED


def test_a_call_is_counted_once_where_it_stands_and_not_at_all_when_it_is_over() -> None:
    registry = CollectorRegistry()
    metrics = MonitorMetrics(registry, ["main"], ())
    ended = replace(TALK, ended_at=NOW)
    story = (
        (event(EventType.RINGING, call([QUEUE]), sequence=1), "waiting"),
        (event(EventType.RINGING, call([QUEUE, PHONE]), sequence=2), "ringing"),
        (event(EventType.STARTED, call([PHONE], [TALK]), sequence=3), "talking"),
        (event(EventType.ENDED, call([PHONE], [ended]), sequence=4, transferred=True), "ringing"),
        (event(EventType.ENDED, call([], [ended]), sequence=5), ""),
    )
    for each, standing in story:
        metrics.published(each, at=NOW + timedelta(seconds=0.004))
        living = {state.value: concurrent(registry, state) for state in CallState}
        assert living == {state.value: float(state == standing) for state in CallState}, each.type
    over = {"pbx": "main", "direction": "inbound", "outcome": "answered"}
    assert registry.get_sample_value("switchhook_calls_total", over) == 1
    assert registry.get_sample_value("switchhook_event_keep_seconds_bucket", {"pbx": "main", "le": "0.005"}) == 5


def test_what_was_found_after_a_gap_does_not_count_as_slow() -> None:
    registry = CollectorRegistry()
    metrics = MonitorMetrics(registry, ["main"], ())
    metrics.published(event(EventType.ENDED, call(), sequence=1, late=True), at=NOW + timedelta(hours=1))
    assert registry.get_sample_value("switchhook_event_keep_seconds_count", {"pbx": "main"}) == 0
    assert registry.get_sample_value("switchhook_reconciled_events_total", {"pbx": "main"}) == 1


def concurrent(registry: CollectorRegistry, state: CallState) -> float | None:
    labels = {"pbx": "main", "direction": "inbound", "state": state.value}
    return registry.get_sample_value("switchhook_concurrent_calls", labels)
