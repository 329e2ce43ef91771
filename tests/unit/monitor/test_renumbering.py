"""A PBX that restarted gives the numbers of the calls that it cut off to others."""

from __future__ import annotations

from itertools import groupby

from tests.unit.monitor.table import apply, describe, new_tracker


def test_the_number_of_a_consultation_becomes_that_of_another_caller() -> None:
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "2.0 upsert 117/2 Dialing call=11 party=204",
        "2.0 upsert 204/3 Ringing call=11 party=117",
        "3.0 upsert 204/3 Connected call=11 party=117",
        "9.0 snapshot lost=6.0 routed=1 number=0603111222 118/1=Connected@11",
        "9.1 asked alive=11",
        "15.0 remove 118/1",
        "15.1 asked alive=",
    ):
        apply(tracker, line)
    events = sorted(tracker.take().events, key=lambda event: event.call.id)
    calls = [[describe(event) for event in ones] for _, ones in groupby(events, key=lambda event: event.call.id)]
    assert calls == [
        [
            "0.0 ringing 117 link=0",
            "1.0 started 117 link=1",
            "2.0 ringing 204 link=1",
            "6.0 ended 117 link=1 answered 5.0s reconciled",
        ],
        [
            "9.0 ringing 118 link=0 reconciled",
            "9.0 started 118 link=1 reconciled",
            "15.0 ended 118 link=1 answered 6.0s",
        ],
    ]
