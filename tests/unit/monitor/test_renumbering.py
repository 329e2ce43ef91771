"""A PBX that restarted gives the numbers of the calls that it cut off to others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import groupby

from services.monitor.calls.history import CallKey, Segment
from services.monitor.calls.legs import ActiveCall, Leg, LegStatus
from switchhook.events import DnKind, EventType
from tests.unit.monitor.logs import row
from tests.unit.monitor.table import NUMBER, START, apply, describe, new_tracker


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


def test_the_same_caller_reaches_the_same_extension_again() -> None:
    """Number, leg and caller are those of the call that was cut off; only since when somebody talks is not."""
    leg = Leg(
        dn="117",
        id=1,
        kind=DnKind.EXTENSION,
        status=LegStatus.CONNECTED,
        number=10,
        party_dn="10007",
        party_kind=DnKind.TRUNK,
        party_number=NUMBER,
        originated_by="ROUTER",
    )
    listed = ActiveCall(number=10, caller_dn="10007", caller_number=NUMBER, callee_dn="117", callee_number="117")
    for established, calls in ((1.5, 1), (8.0, 2)):
        tracker = new_tracker()
        apply(tracker, "0.0 upsert 117/1 Ringing call=10 routed=1")
        apply(tracker, "1.0 upsert 117/1 Connected call=10 routed=1")
        at, lost_at = START + timedelta(seconds=9), START + timedelta(seconds=6)
        known = replace(listed, established_at=START + timedelta(seconds=established))
        tracker.resync([leg], asked_at=at, at=at, lost_at=lost_at, rows=[known])
        assert len({event.call.id for event in tracker.take().events}) == calls


def test_a_call_whose_number_and_leg_are_another_ones_by_now_ended_when_the_log_says() -> None:
    """The watch was lost a while after the moment until which it is known to have followed: after a fall, seconds."""
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10 routed=1")
    apply(tracker, "1.0 upsert 117/1 Connected call=10 routed=1")
    [leg] = tracker.calls[0].legs.values()
    at, lost_at = START + timedelta(seconds=9), START + timedelta(seconds=1.2)
    tracker.replay([row("10007>117 0-5.6 @1")], since=lost_at, shown={leg.key})
    known = ActiveCall(
        number=10, caller_dn="10007", caller_number=NUMBER, callee_dn="117", callee_number="117", established_at=at
    )
    tracker.resync([leg], asked_at=at, at=at, lost_at=lost_at, rows=[known])
    ended = [describe(event) for event in tracker.take().events if event.type is EventType.ENDED]
    assert ended == ["5.6 ended 117 link=1 answered 4.6s reconciled"]


def test_a_consultation_that_the_log_shows_as_joined_does_not_end_its_call() -> None:
    """The log was read a moment later than the snapshot, in which the two extensions still talk inside."""
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "6.0 remove 117/1",
    ):
        apply(tracker, line)
    tracker.take()
    main, key = CallKey(START, 10), CallKey(START + timedelta(seconds=3), 11)
    inside = Segment(
        key=key,
        main=main,
        source_dn="117",
        source_number="117",
        destination_dn="204",
        destination_number="204",
        started_at=key.arrived_at,
        answered_at=START + timedelta(seconds=4),
        ended_at=START + timedelta(seconds=6),
    )
    tracker.replay([inside], since=START, shown=(("204", 3),))
    apply(tracker, "6.1 snapshot lost=2.0 inside=11 party=117 204/3=Connected@11")
    apply(tracker, "6.2 upsert 204/3 Connected call=10")
    assert {event.call.id for event in tracker.take().events} == {tracker.calls[0].id}
