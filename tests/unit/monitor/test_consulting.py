"""Whose consultation it is: that of the extension which dials."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from services.monitor.calls.history import CallKey, Segment
from tests.unit.monitor.table import START, apply, describe, new_tracker


def test_a_colleague_who_has_a_caller_of_his_own_does_not_consult() -> None:
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "2.0 upsert 204/2 Ringing call=11",
        "3.0 upsert 204/2 Connected call=11",
        "5.0 upsert 204/4 Ringing call=12 party=117",
        "5.0 upsert 117/3 Dialing call=12 party=204",
        "6.0 upsert 204/4 Connected call=12 party=117",
        "6.0 upsert 117/3 Connected call=12 party=204",
        "8.0 remove 117/1",
        "8.0 remove 117/3",
        "8.0 upsert 204/4 Connected call=10",
        "9.0 remove 204/4",
        "9.0 asked alive=11",
        "9.5 remove 204/2",
        "9.5 asked alive=",
    ):
        apply(tracker, line)
    events = sorted(tracker.take().events, key=lambda event: event.call.id)
    calls = [[describe(event) for event in ones] for _, ones in groupby(events, key=lambda event: event.call.id)]
    assert calls == [
        [
            "0.0 ringing 117 link=0",
            "1.0 started 117 link=1",
            "5.0 ringing 204 link=1",
            "8.0 started 204 link=2 attended",
            "8.0 ended 117 link=1 attended answered 7.0s transferred",
            "9.0 ended 204 link=2 answered 1.0s",
        ],
        ["2.0 ringing 204 link=0", "3.0 started 204 link=1", "9.5 ended 204 link=1 answered 6.5s"],
    ]


def test_a_call_inside_that_was_over_before_the_caller_came_is_no_consultation() -> None:
    """The log tells of it when the extension has a caller."""
    tracker = new_tracker()
    for line in ("10.0 upsert 117/1 Ringing call=10", "11.0 upsert 117/1 Connected call=10"):
        apply(tracker, line)
    key = CallKey(START, 9)
    inside = Segment(
        key=key,
        main=key,
        source_dn="117",
        source_number="117",
        destination_dn="204",
        destination_number="204",
        started_at=START,
        answered_at=None,
        ended_at=START + timedelta(seconds=5),
    )
    tracker.replay([inside], since=START, shown=(("117", 1),))
    assert [describe(event) for event in tracker.take().events] == [
        "10.0 ringing 117 link=0",
        "11.0 started 117 link=1",
    ]
