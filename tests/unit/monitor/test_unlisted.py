"""A lost Remove shows in the list of active calls, if the list is younger than what was heard."""

from __future__ import annotations

from datetime import timedelta

from services.monitor.calls.legs import ActiveCall
from tests.unit.monitor.table import NUMBER, START, apply, new_tracker

ROW = ActiveCall(number=11, caller_dn="10007", caller_number=NUMBER, callee_dn="204", callee_number="204")


def test_a_call_with_legs_that_is_not_listed_is_to_be_looked_for() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "0.0 upsert 204/2 Ringing call=11")
    (first, _) = tracker.calls
    assert tracker.unlisted({ROW.number}, asked_at=START + timedelta(seconds=1)) == {first.id}


def test_a_list_that_is_older_than_the_call_says_nothing() -> None:
    tracker = new_tracker()
    apply(tracker, "2.0 upsert 117/1 Ringing call=10")
    assert tracker.unlisted(set(), asked_at=START + timedelta(seconds=1)) == set()


def test_a_call_without_legs_is_asked_about_anyway() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "1.0 remove 117/1")
    assert tracker.unlisted(set(), asked_at=START + timedelta(seconds=2)) == set()
