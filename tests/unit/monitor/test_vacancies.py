"""The grace of a call without legs, where the PBX does not say whether it lives."""

from __future__ import annotations

from tests.unit.monitor.logged import at
from tests.unit.monitor.table import apply, describe, new_tracker


def test_the_grace_is_a_time_in_which_a_new_leg_could_have_been_seen() -> None:
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "5.0 remove 117/1",
        "5.0 asked silent",
        "9.0 snapshot lost=5.1",
        "9.5 asked silent",
        "10.5 asked silent",
    ):
        apply(tracker, line)
    assert [describe(event) for event in tracker.take().events][2:] == []
    apply(tracker, "11.6 asked silent")
    assert [describe(event) for event in tracker.take().events] == ["5.0 ended 117 link=1 answered 4.0s"]


def test_a_clock_that_is_set_back_makes_no_call_wait_until_it_is_there_again() -> None:
    tracker = new_tracker()
    for line in ("600.0 upsert 117/1 Ringing call=10", "601.0 upsert 117/1 Connected call=10", "605.0 remove 117/1"):
        apply(tracker, line)
    assert tracker.questions(at(6)) == [10]
    tracker.answer([10], [], asked_at=at(6), at=at(6.1))
    assert [describe(event) for event in tracker.take().events][2:] == ["605.0 ended 117 link=1 answered 4.0s"]


def test_a_call_that_lost_its_legs_after_the_question_is_not_meant_by_the_answer() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "5.0 remove 117/1"):
        apply(tracker, line)
    tracker.answer([10], [], asked_at=at(4.9), at=at(5.1))
    assert tracker.questions(at(5.1)) == [10]
