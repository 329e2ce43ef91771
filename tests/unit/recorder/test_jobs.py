"""What is owed after a call, in which order it is told, and as which event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from services.recorder.jobs import Absent, Due, Failed, Outcome, Ready, Reason, pending_call, recording_event
from switchhook.events import EventType, RecordingFile, event_id
from tests.unit.recorder.calls import START, after, final

FILE = RecordingFile(
    index=1, path="/webapi/recording/x.mp3", duration=timedelta(seconds=1), size=1, sha256="", channels=1
)
RETENTION = timedelta(days=90)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_outcomes_are_told_newest_link_first_whatever_order_they_come_in(order: tuple[int, ...]) -> None:
    call = pending_call(final(links=3), accepted_at=START)
    told: list[Due] = []
    for link in order:
        due = call.due({**call.outcomes, link: Absent()})
        call.outcomes[link] = Absent()
        call.told += len(due)
        told += due
    assert [(due.link, due.sequence) for due in told] == [(3, 10), (2, 11), (1, 12)]
    assert call.is_over


def test_the_place_after_the_final_end_is_left_to_the_completed_event_where_one_follows() -> None:
    end = replace(final(links=2), completion_follows=True)
    call = pending_call(end, accepted_at=START)
    due = call.due({1: Absent(), 2: Absent()})
    assert [(each.link, each.sequence) for each in due] == [(2, 11), (1, 12)]
    event = recording_event(end, due[0], at=after(125), retention=RETENTION)
    assert (event.sequence, event.completion_follows) == (11, False)


def test_the_event_of_the_last_link_repeats_its_end() -> None:
    end = final(links=2)
    event = recording_event(end, Due(link=2, outcome=Ready((FILE,)), sequence=10), at=after(125), retention=RETENTION)
    assert event.type is EventType.RECORDING_READY
    assert event.id == event_id("main", end.call.id, 10)
    assert (event.link, event.sequence, event.user) == (2, 10, "102")
    assert (event.answered, event.transferred, event.talk_time) == (True, False, timedelta(seconds=59))
    assert event.callback_requested
    assert not event.reconciled
    assert event.recording is not None
    assert event.recording.files == (FILE,)
    assert event.recording.expires_at == after(120) + RETENTION


def test_the_event_of_an_earlier_link_tells_of_that_link() -> None:
    due = Due(link=1, outcome=Ready((FILE,)), sequence=11)
    event = recording_event(final(links=2), due, at=after(125), retention=RETENTION)
    assert (event.link, event.user, event.transferred) == (1, "101", True)
    assert event.talk_time == timedelta(seconds=60)
    assert not event.callback_requested
    assert event.recording is not None
    assert event.recording.expires_at == after(60) + RETENTION


def test_after_a_transfer_that_nobody_answered_the_last_talk_was_transferred() -> None:
    missed = replace(final(links=1), answered=False, talk_time=None, user="102")
    event = recording_event(missed, Due(link=1, outcome=Absent(), sequence=10), at=after(90), retention=RETENTION)
    assert (event.user, event.answered, event.transferred) == ("101", True, True)
    assert event.talk_time == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("outcome", "kind", "reason"),
    [
        (Absent(), EventType.RECORDING_ABSENT, "no_recording"),
        (Failed(Reason.TRUNCATED), EventType.RECORDING_FAILED, "truncated"),
    ],
)
def test_without_an_mp3_the_reason_is_told(outcome: Outcome, kind: EventType, reason: str) -> None:
    due = Due(link=1, outcome=outcome, sequence=10)
    event = recording_event(final(), due, at=after(70), retention=RETENTION)
    assert event.type is kind
    assert event.recording is not None
    assert (event.recording.reason, event.recording.files, event.recording.expires_at) == (reason, (), None)


def test_a_link_without_an_end_ended_with_the_call() -> None:
    end = final()
    open_link = replace(end.call.links[0], ended_at=None)
    call = pending_call(replace(end, call=replace(end.call, links=(open_link,))), accepted_at=START)
    assert call.links[0].ended_at == end.occurred_at
