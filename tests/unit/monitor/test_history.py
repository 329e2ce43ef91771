"""The call log tells what nobody saw: whole calls, parts of calls that live, and nothing that was told before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.monitor.calls import memory
from services.monitor.calls.history import CallKey
from services.monitor.calls.legs import ActiveCall, Leg, LegStatus
from services.monitor.calls.past import PastCall
from switchhook.events import DnKind
from tests.unit.monitor.logged import SINCE, at, hang_up, segment, told
from tests.unit.monitor.table import NUMBER, START, apply, new_tracker


def test_a_call_that_came_and_went_is_told_whole_with_its_true_times() -> None:
    tracker = new_tracker()
    log = [
        segment("800", 0, 1, answered=0),
        segment("820", 1, 4, answered=1),
        segment("202", 2, 10, answered=4),
    ]
    tracker.replay(log, since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == [
        "0.0 ringing 800 link=0 reconciled",
        "1.0 ringing 820 link=0 reconciled",
        "2.0 ringing 202 link=0 reconciled",
        "4.0 started 202 link=1 reconciled",
        "10.0 ended 202 link=1 answered 6.0s reconciled",
    ]


def test_what_was_seen_of_a_live_call_is_not_told_again() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 800/1 Connected call=10", "1.0 remove 800/1", "1.0 upsert 820/2 Connected call=10"):
        apply(tracker, line)
    told(tracker)
    tracker.replay([segment("800", 0, 1, answered=0), segment("101", 2, 7)], since=SINCE, shown=(("820", 2),))
    assert told(tracker) == ["2.0 ringing 101 link=0 reconciled", "7.0 ringing_stopped 101 link=0 reconciled"]


def test_a_clock_of_the_pbx_that_is_wrong_by_seconds_does_not_matter() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    told(tracker)
    tracker.replay([segment("117", 8, 18, answered=10, arrived=8)], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == ["2.0 started 117 link=1 reconciled", "10.0 ended 117 link=1 answered 8.0s reconciled"]


def test_a_call_of_dns_that_the_client_is_not_shown_is_not_told() -> None:
    tracker = new_tracker(hidden=["117"])
    tracker.replay([segment("117", 0, 3)], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == []


def test_a_call_whose_end_was_told_is_old_news() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "3.0 remove 117/1", "3.1 asked alive="):
        apply(tracker, line)
    told(tracker)
    tracker.replay([segment("117", 0, 3)], since=SINCE, shown=())
    assert told(tracker) == []


def test_a_number_that_began_again_is_another_call() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "3.0 remove 117/1", "3.1 asked alive="):
        apply(tracker, line)
    told(tracker)
    tracker.replay([segment("204", 600, 605, arrived=600)], since=at(590), shown=())
    hang_up(tracker, 700)
    assert told(tracker) == ["600.0 ringing 204 link=0 reconciled", "605.0 ended 204 link=0 missed reconciled"]


def test_a_leg_that_lives_on_is_not_ended_by_its_segment() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "1.0 upsert 117/1 Connected call=10")
    told(tracker)
    tracker.replay([segment("117", 0, 9, answered=1)], since=SINCE, shown=(("117", 1),))
    assert told(tracker) == []
    assert [leg.dn for call in tracker.calls for leg in call.legs.values()] == ["117"]


def test_a_call_that_was_found_late_is_not_told_again_after_its_end() -> None:
    """What was seen of it began long after the arrival that the log tells."""
    tracker = new_tracker()
    for line in ("30.0 snapshot lost=1.0 routed=1 117/1=Connected@10", "40.0 remove 117/1", "40.0 asked alive="):
        apply(tracker, line)
    assert len(told(tracker)) == 3
    log = [segment("800", 2, 3, answered=2, arrived=2), segment("117", 3, 40, answered=8, arrived=2)]
    again = new_tracker()
    again.restore((), [PastCall(CallKey(at(30), 10), at(40))], START)
    for one in (tracker, again):
        one.replay(log, since=at(15), shown=())
        assert told(one) == []


def test_of_a_call_that_was_found_late_nothing_is_told_that_was_over_by_then() -> None:
    tracker = new_tracker()
    apply(tracker, "30.0 snapshot lost=1.0 routed=1 117/1=Connected@10")
    told(tracker)
    log = [segment("800", 2, 3, answered=2, arrived=2), segment("117", 3, 45, answered=8, arrived=2)]
    tracker.replay(log, since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == ["45.0 ended 117 link=1 answered 15.0s reconciled"]


def test_an_extension_that_rings_again_is_not_ended_by_its_first_ringing() -> None:
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "5.0 upsert 204/2 Ringing call=10",
        "5.0 remove 117/1",
        "9.0 upsert 117/3 Ringing call=10",
        "9.0 remove 204/2",
    ):
        apply(tracker, line)
    told(tracker)
    log = [segment("117", 0, 5), segment("204", 5, 9), segment("117", 9, 20, answered=12)]
    tracker.replay(log, since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == ["12.0 started 117 link=1 reconciled", "20.0 ended 117 link=1 answered 8.0s reconciled"]


def test_a_ring_group_in_the_log_does_not_take_the_call_out_of_its_queue() -> None:
    tracker = new_tracker()
    apply(tracker, "5.0 upsert 820/2 Connected call=10")
    told(tracker)
    tracker.replay([segment("840", 2, 5, arrived=2)], since=SINCE, shown=(("820", 2),))
    apply(tracker, "8.0 upsert 117/3 Ringing call=10 behalf=820")
    assert told(tracker) == ["8.0 ringing 117 link=0"]


def test_a_consultation_that_was_joined_is_not_told_as_a_part_of_its_call() -> None:
    """After a restart its number is found with the call that it was joined to."""
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "3.0 upsert 117/2 Dialing call=11 party=204",
        "3.0 upsert 204/3 Ringing call=11 party=117",
        "4.0 upsert 204/3 Connected call=11 party=117",
        "6.0 remove 117/1",
        "6.0 remove 117/2",
        "6.0 upsert 204/3 Connected call=10",
    ):
        apply(tracker, line)
    kept = [memory.dump(call) for call in tracker.take().changed]
    again = new_tracker()
    again.restore((memory.load(one) for one in kept), (), START)
    inside = replace(segment("204", 3, 6, answered=4, number=11, arrived=3), source_dn="117", source_number="117")
    again.replay([inside], since=SINCE, shown=(("204", 3),))
    assert told(again) == []


def test_a_talk_never_ends_before_it_began() -> None:
    """It was found when it had begun long before, and the log tells of an earlier moment."""
    tracker = new_tracker()
    apply(tracker, "30.0 snapshot lost=1.0 routed=1 117/1=Connected@10")
    tracker.replay([segment("204", 2, 29, answered=8, arrived=2)], since=SINCE, shown=(("117", 1),))
    tracker.replay([segment("117", 2, 20, answered=8, arrived=2)], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert all(event.talk_time is None or event.talk_time >= timedelta() for event in tracker.take().events)


def test_the_list_of_active_calls_tells_who_called_whom_when_a_leg_does_not() -> None:
    """The colleague's leg of a transfer that nobody saw is connected to a caller from nowhere."""
    tracker = new_tracker()
    leg = Leg(
        dn="204",
        id=3,
        kind=DnKind.EXTENSION,
        status=LegStatus.CONNECTED,
        number=10,
        party_dn="10007",
        party_kind=DnKind.TRUNK,
        party_number=NUMBER,
    )
    row = ActiveCall(number=10, caller_dn="10007", caller_number=NUMBER, callee_dn="204", callee_number="")
    tracker.resync([leg], asked_at=at(9), at=at(9), lost_at=at(5), rows=[row])
    assert told(tracker) == ["9.0 ringing 204 link=0 reconciled", "9.0 started 204 link=1 reconciled"]


def test_what_was_found_after_one_gap_is_not_told_again_after_the_next() -> None:
    """It had begun long before it was found."""
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 800/1 Connected call=10")
    apply(tracker, "30.0 snapshot lost=3.0 820/2=Connected@10 117/3=Connected@10")
    told(tracker)
    log = [
        *(segment("800", 0, 5, answered=0), segment("820", 5, 40, answered=5)),
        *(segment("204", 10, 15), segment("117", 15, 50, answered=20)),
    ]
    tracker.replay(log, since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == [
        "30.0 ringing 204 link=1 reconciled",
        "30.0 ringing_stopped 204 link=1 reconciled",
        "50.0 ended 117 link=1 answered 20.0s reconciled",
    ]


def test_a_transfer_that_only_the_log_tells_goes_on_under_the_number_of_the_consultation() -> None:
    tracker = new_tracker()
    main = CallKey(at(0), 10)
    inside = replace(segment("204", 8, 15, answered=10, number=11, arrived=8), source_dn="117", main=main)
    log = [segment("117", 0, 15, answered=2), inside]
    tracker.replay(log, since=SINCE, shown=())
    apply(tracker, "20.0 snapshot lost=-1.0 204/3=Connected@11")
    apply(tracker, "30.0 remove 204/3")
    apply(tracker, "30.0 asked alive=")
    assert told(tracker) == [
        "0.0 ringing 117 link=0 reconciled",
        "2.0 started 117 link=1 reconciled",
        "8.0 ringing 204 link=1 reconciled",
        "20.0 started 204 link=2 attended reconciled",
        "20.0 ended 117 link=1 attended answered 13.0s transferred reconciled",
        "30.0 ended 204 link=2 answered 10.0s",
    ]


def test_a_phone_that_was_found_ringing_is_not_told_again_when_the_next_gap_ends() -> None:
    """The list of active calls tells when the call's state changed, long before this phone rang."""
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 820/1 Connected call=10")
    leg = Leg(
        dn="204",
        id=3,
        kind=DnKind.EXTENSION,
        status=LegStatus.RINGING,
        number=10,
        party_dn="10007",
        party_kind=DnKind.TRUNK,
        party_number=NUMBER,
    )
    queue = next(iter(tracker.calls[0].legs.values()))
    row = ActiveCall(
        number=10, caller_dn="10007", caller_number=NUMBER, callee_dn="820", callee_number="", changed_at=at(0)
    )
    tracker.resync([queue, leg], asked_at=at(22), at=at(22), lost_at=at(1), rows=[row])
    told(tracker)
    tracker.replay([segment("204", 20, 30)], since=SINCE, shown=(("820", 1),))
    assert told(tracker) == ["30.0 ringing_stopped 204 link=0 reconciled"]


def test_the_time_of_a_consultation_is_not_taken_for_a_wrong_clock() -> None:
    """The transferor took part in both, at different times; what the log tells of the joined call is true as it is."""
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "1.0 upsert 117/1 Connected call=10",
        "7.0 upsert 117/2 Dialing call=11 party=204",
        "7.0 upsert 204/3 Ringing call=11 party=117",
        "8.0 upsert 204/3 Connected call=11 party=117",
        "16.0 remove 117/1",
        "16.0 remove 117/2",
        "16.0 upsert 204/3 Connected call=11",
    ):
        apply(tracker, line)
    told(tracker)
    inside = replace(segment("204", 7, 16, answered=8, number=11, arrived=7), source_dn="117", source_number="117")
    tracker.replay([inside, segment("204", 16, 22, answered=16, number=11, arrived=7)], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == ["22.0 ended 204 link=2 answered 6.0s reconciled"]


def test_a_row_that_stands_on_two_pages_is_one() -> None:
    """Newer rows came in front of it while the pages were read."""
    tracker = new_tracker()
    for line in (
        "0.0 upsert 117/1 Ringing call=10",
        "5.0 upsert 204/2 Ringing call=10",
        "5.0 remove 117/1",
        "6.0 upsert 204/2 Connected call=10",
    ):
        apply(tracker, line)
    told(tracker)
    tracker.replay([segment("117", 0, 5)] * 2, since=SINCE, shown=())
    assert told(tracker) == []
