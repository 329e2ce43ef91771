"""The codec: whatever an event says, it still says after a journey as bytes."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchhook.errors import CodecError
from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    EndedBy,
    Event,
    EventId,
    EventType,
    Handover,
    Link,
    Origin,
    Participant,
    Recording,
    RecordingFile,
    Summary,
    SummarySource,
    Transfer,
)
from switchhook.rpc import Received, decode, encode
from switchhook.rpc.received import received_events
from switchhook.v1 import events_pb2 as pb
from tests.events import ARRIVED_AT, ringing

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(timezones=st.just(UTC))
durations = st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999))
numbers = st.integers(0, 2**32 - 1)
maybe_times = st.none() | times

participants = st.builds(
    Participant, dn=texts, kind=st.sampled_from(DnKind), joined_at=times, answered_at=maybe_times, left_at=maybe_times
)
links = st.builds(
    Link, number=numbers, user=texts, transfer=st.sampled_from(Transfer), started_at=times, ended_at=maybe_times
)
calls = st.builds(
    Call,
    id=texts.map(CallId),
    numbers=st.lists(numbers, max_size=3).map(tuple),
    direction=st.sampled_from(Direction),
    outside_number=texts,
    did=texts,
    arrived_at=times,
    origin=st.sampled_from(Origin),
    participants=st.lists(participants, max_size=3).map(tuple),
    links=st.lists(links, max_size=3).map(tuple),
)
recordings = st.builds(
    Recording,
    files=st.lists(
        st.builds(
            RecordingFile,
            index=numbers,
            path=texts,
            duration=durations,
            size=st.integers(0, 2**64 - 1),
            sha256=texts,
            channels=numbers,
        ),
        max_size=2,
    ).map(tuple),
    expires_at=maybe_times,
    reason=texts,
)
summaries = st.builds(
    Summary,
    source=st.sampled_from(SummarySource),
    ringing=durations,
    waiting=durations,
    talking=durations,
    ended_by=st.sampled_from(EndedBy),
    ended_by_user=texts,
    transfers=st.lists(
        st.builds(Handover, link=numbers, user=texts, transfer=st.sampled_from(Transfer)), max_size=2
    ).map(tuple),
    did=texts,
    queue=texts,
    unanswered=st.lists(texts, max_size=2).map(tuple),
    recording_ids=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2).map(tuple),
)
events = st.builds(
    Event,
    id=texts.map(EventId),
    type=st.sampled_from(EventType),
    pbx=texts,
    call=calls,
    link=numbers,
    sequence=numbers,
    occurred_at=times,
    observed_at=times,
    user=texts,
    user_kind=st.sampled_from(DnKind),
    transfer=st.sampled_from(Transfer),
    transferred=st.booleans(),
    answered=st.booleans(),
    talk_time=st.none() | durations,
    callback_requested=st.booleans(),
    reconciled=st.booleans(),
    recording=st.none() | recordings,
    summary=st.none() | summaries,
    completion_follows=st.booleans(),
    traceparent=texts,
)


@given(events)
def test_every_event_survives_the_journey(event: Event) -> None:
    assert decode(encode(event)) == event


@given(events)
def test_a_sink_gets_bytes_that_say_the_same(event: Event) -> None:
    request = pb.PublishRequest(batch=1, events=[pb.Event.FromString(encode(event))])
    [received] = received_events([request])
    assert received == Received(event, received.payload)
    assert decode(received.payload) == event


def test_the_property_covers_every_field() -> None:
    """A field that is added to the vocabulary must be added to the strategies, or the property says nothing of it."""
    known = {Event: 20, Call: 9, Participant: 5, Link: 5, Recording: 3, RecordingFile: 6, Summary: 11, Handover: 3}
    assert {kind: len(fields(kind)) for kind in known} == known


def test_the_wire_knows_no_more_fields_than_the_vocabulary() -> None:
    for kind, message in (
        *((Event, pb.Event), (Call, pb.Call), (Participant, pb.Participant), (Link, pb.Link)),
        *((Summary, pb.Summary), (Handover, pb.Handover)),
    ):
        assert {field.name for field in fields(kind)} == set(message.DESCRIPTOR.fields_by_name)


def test_a_time_of_another_zone_comes_back_as_the_same_instant_in_utc() -> None:
    at = datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    decoded = decode(encode(replace(ringing(1), occurred_at=at))).occurred_at
    assert decoded == at
    assert decoded.tzinfo is UTC


@pytest.mark.parametrize(
    "change", [{"occurred_at": ARRIVED_AT.replace(tzinfo=None)}, {"link": -1}, {"sequence": 2**32}, {"user": "\ud800"}]
)
def test_what_cannot_be_written_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        encode(replace(ringing(1), **change))  # type: ignore[arg-type]  # that is the point


def test_bytes_that_are_no_event_are_refused() -> None:
    with pytest.raises(CodecError, match="not an event"):
        decode(b"\xff\xff\xff")


def test_an_event_without_a_call_is_refused() -> None:
    with pytest.raises(CodecError, match="no call"):
        decode(pb.Event(id="e1").SerializeToString())


@pytest.mark.parametrize("field", ["type", "user_kind", "transfer"])
def test_an_enum_number_of_a_newer_sender_is_refused(field: str) -> None:
    message = pb.Event.FromString(encode(ringing(1)))
    setattr(message, field, 77)
    with pytest.raises(CodecError, match="unknown enum number 77: the sender is newer"):
        decode(message.SerializeToString())


def test_a_time_beyond_the_calendar_is_refused() -> None:
    message = pb.Event.FromString(encode(ringing(1)))
    message.occurred_at.seconds = 2**60
    with pytest.raises(CodecError):
        decode(message.SerializeToString())


def test_what_a_newer_sender_added_is_kept_in_the_payload() -> None:
    raw = encode(ringing(1)) + b"\xa2\x06\x03new"  # field 100, which this version does not know
    [received] = received_events([pb.PublishRequest(batch=1, events=[pb.Event.FromString(raw)])])
    assert b"new" in received.payload
    assert received.event == ringing(1)
