"""The grace of a call without legs, where the PBX does not say whether it lives."""

from __future__ import annotations

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
