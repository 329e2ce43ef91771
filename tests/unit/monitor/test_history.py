"""The call log tells what nobody saw: whole calls, parts of calls that live, and nothing that was told before."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.monitor.call_log import read_segment
from services.monitor.calls import gaps, memory
from services.monitor.calls.history import CallKey, Segment, decode_history_id
from services.monitor.calls.legs import ActiveCall, Leg, LegStatus
from services.monitor.calls.past import PastCall
from services.monitor.calls.sightings import as_of
from switchhook.events import DnKind
from tests.unit.monitor.table import NUMBER, START, Memory, apply, describe, new_tracker

if TYPE_CHECKING:
    from services.monitor.calls.tracker import CallTracker

SINCE = START - timedelta(seconds=5)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _segment(
    dn: str, started: float, ended: float, *, answered: float | None = None, number: int = 10, arrived: float = 0.0
) -> Segment:
    """An inbound segment."""
    key = CallKey(_at(arrived), number)
    return Segment(
        key=key,
        main=key,
        source_dn="10007",
        source_number=NUMBER,
        destination_dn=dn,
        destination_number=dn,
        started_at=_at(started),
        answered_at=None if answered is None else _at(answered),
        ended_at=_at(ended),
    )


def _told(tracker: CallTracker) -> list[str]:
    return [describe(event) for event in tracker.take().events]


def _hang_up(tracker: CallTracker, at: float) -> None:
    apply(tracker, f"{at} asked alive=")


def test_a_call_that_came_and_went_is_told_whole_with_its_true_times() -> None:
    tracker = new_tracker()
    log = [
        _segment("800", 0, 1, answered=0),
        _segment("820", 1, 4, answered=1),
        _segment("202", 2, 10, answered=4),
    ]
    tracker.replay(log, since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == [
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
    _told(tracker)
    tracker.replay([_segment("800", 0, 1, answered=0), _segment("101", 2, 7)], since=SINCE, shown=(("820", 2),))
    assert _told(tracker) == ["2.0 ringing 101 link=0 reconciled", "7.0 ringing_stopped 101 link=0 reconciled"]


def test_a_clock_of_the_pbx_that_is_wrong_by_seconds_does_not_matter() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    _told(tracker)
    tracker.replay([_segment("117", 8, 18, answered=10, arrived=8)], since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == ["2.0 started 117 link=1 reconciled", "10.0 ended 117 link=1 answered 8.0s reconciled"]


def test_a_call_of_dns_that_the_client_is_not_shown_is_not_told() -> None:
    tracker = new_tracker(hidden=["117"])
    tracker.replay([_segment("117", 0, 3)], since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == []


def test_a_call_whose_end_was_told_is_old_news() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "3.0 remove 117/1", "3.1 asked alive="):
        apply(tracker, line)
    _told(tracker)
    tracker.replay([_segment("117", 0, 3)], since=SINCE, shown=())
    assert _told(tracker) == []


def test_a_number_that_began_again_is_another_call() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "3.0 remove 117/1", "3.1 asked alive="):
        apply(tracker, line)
    _told(tracker)
    tracker.replay([_segment("204", 600, 605, arrived=600)], since=_at(590), shown=())
    _hang_up(tracker, 700)
    assert _told(tracker) == ["600.0 ringing 204 link=0 reconciled", "605.0 ended 204 link=0 missed reconciled"]


def test_a_leg_that_lives_on_is_not_ended_by_its_segment() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "1.0 upsert 117/1 Connected call=10")
    _told(tracker)
    tracker.replay([_segment("117", 0, 9, answered=1)], since=SINCE, shown=(("117", 1),))
    assert _told(tracker) == []
    assert [leg.dn for call in tracker.calls for leg in call.legs.values()] == ["117"]


def test_a_history_id_carries_arrival_and_number() -> None:
    """The published sample of the vendor's guide."""
    key = decode_history_id("00000000-01dc-27fa-d1eb-64b00000002e")
    assert key is not None
    assert (f"{key.arrived_at:%Y-%m-%d %H:%M:%S}", key.number) == ("2025-09-17 17:45:13", 46)


@pytest.mark.parametrize("text", ["", "none", "00000000-01dc-27fa-d1eb-64b00000002", "zz" * 16])
def test_another_form_of_id_is_not_guessed_at(text: str) -> None:
    assert decode_history_id(text) is None


def test_a_row_is_read() -> None:
    segment = read_segment(
        {
            "CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e",
            "MainCallHistoryId": None,
            "StartTime": "2025-09-17T17:45:21.3Z",
            "RingingDuration": "PT8.1S",
            "TalkingDuration": "PT3M24.2S",
            "Answered": True,
            "SourceDn": "10007",
            "SourceCallerId": "030555001",
            "DestinationDn": "150",
            "DestinationCallerId": "Ext.150",
        }
    )
    assert segment is not None
    assert segment.main == segment.key
    assert segment.destination_number == "150"
    assert segment.answered_at == segment.started_at + timedelta(seconds=8.1)
    assert segment.ended_at - segment.started_at == timedelta(minutes=3, seconds=32.3)


@pytest.mark.parametrize(
    ("told", "ids"),
    [
        ({"SrcRecId": None, "DstRecId": 7}, (7,)),
        ({"SrcRecId": 8, "DstRecId": 7, "Recordings": [{"Id": 7}, {"Id": 9}]}, (8, 7, 9)),
        ({"SrcRecId": 0, "DstRecId": -1, "Recordings": "none"}, ()),
        ({"SrcRecId": True, "DstRecId": 2**63, "Recordings": [None, {"Id": "7"}]}, ()),
        ({}, ()),
    ],
)
def test_the_ids_of_recordings_are_read_as_far_as_they_are_ids(told: dict[str, object], ids: tuple[int, ...]) -> None:
    row = {"CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e", "StartTime": "2025-09-17T17:45:21.3Z"}
    segment = read_segment(row | {"Reason": "Ended by A (1)"} | told)
    assert segment is not None
    assert (segment.recording_ids, segment.reason) == (ids, "Ended by A (1)")


@pytest.mark.parametrize("row", [{}, {"CallHistoryId": "x"}, {"CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e"}])
def test_a_row_without_call_or_time_is_left_out(row: dict[str, object]) -> None:
    assert read_segment(row) is None


def test_a_call_that_was_found_late_is_not_told_again_after_its_end() -> None:
    """What was seen of it began long after the arrival that the log tells."""
    tracker = new_tracker()
    for line in ("30.0 snapshot lost=1.0 routed=1 117/1=Connected@10", "40.0 remove 117/1", "40.0 asked alive="):
        apply(tracker, line)
    assert len(_told(tracker)) == 3
    log = [_segment("800", 2, 3, answered=2, arrived=2), _segment("117", 3, 40, answered=8, arrived=2)]
    again = new_tracker()
    again.restore((), [PastCall(CallKey(_at(30), 10), _at(40))], START)
    for one in (tracker, again):
        one.replay(log, since=_at(15), shown=())
        assert _told(one) == []


def test_of_a_call_that_was_found_late_nothing_is_told_that_was_over_by_then() -> None:
    tracker = new_tracker()
    apply(tracker, "30.0 snapshot lost=1.0 routed=1 117/1=Connected@10")
    _told(tracker)
    log = [_segment("800", 2, 3, answered=2, arrived=2), _segment("117", 3, 45, answered=8, arrived=2)]
    tracker.replay(log, since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == ["45.0 ended 117 link=1 answered 15.0s reconciled"]


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
    _told(tracker)
    log = [_segment("117", 0, 5), _segment("204", 5, 9), _segment("117", 9, 20, answered=12)]
    tracker.replay(log, since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == ["12.0 started 117 link=1 reconciled", "20.0 ended 117 link=1 answered 8.0s reconciled"]


def test_a_ring_group_in_the_log_does_not_take_the_call_out_of_its_queue() -> None:
    tracker = new_tracker()
    apply(tracker, "5.0 upsert 820/2 Connected call=10")
    _told(tracker)
    tracker.replay([_segment("840", 2, 5, arrived=2)], since=SINCE, shown=(("820", 2),))
    apply(tracker, "8.0 upsert 117/3 Ringing call=10 behalf=820")
    assert _told(tracker) == ["8.0 ringing 117 link=0"]


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
    inside = replace(_segment("204", 3, 6, answered=4, number=11, arrived=3), source_dn="117", source_number="117")
    again.replay([inside], since=SINCE, shown=(("204", 3),))
    assert _told(again) == []


def test_a_talk_never_ends_before_it_began() -> None:
    """It was found when it had begun long before, and the log tells of an earlier moment."""
    tracker = new_tracker()
    apply(tracker, "30.0 snapshot lost=1.0 routed=1 117/1=Connected@10")
    tracker.replay([_segment("204", 2, 29, answered=8, arrived=2)], since=SINCE, shown=(("117", 1),))
    tracker.replay([_segment("117", 2, 20, answered=8, arrived=2)], since=SINCE, shown=())
    _hang_up(tracker, 60)
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
    tracker.resync([leg], asked_at=_at(9), at=_at(9), lost_at=_at(5), rows=[row])
    assert _told(tracker) == ["9.0 ringing 204 link=0 reconciled", "9.0 started 204 link=1 reconciled"]


def test_what_was_found_after_one_gap_is_not_told_again_after_the_next() -> None:
    """It had begun long before it was found."""
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 800/1 Connected call=10")
    apply(tracker, "30.0 snapshot lost=3.0 820/2=Connected@10 117/3=Connected@10")
    _told(tracker)
    log = [
        *(_segment("800", 0, 5, answered=0), _segment("820", 5, 40, answered=5)),
        *(_segment("204", 10, 15), _segment("117", 15, 50, answered=20)),
    ]
    tracker.replay(log, since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == [
        "30.0 ringing 204 link=1 reconciled",
        "30.0 ringing_stopped 204 link=1 reconciled",
        "50.0 ended 117 link=1 answered 20.0s reconciled",
    ]


def test_a_transfer_that_only_the_log_tells_goes_on_under_the_number_of_the_consultation() -> None:
    tracker = new_tracker()
    main = CallKey(_at(0), 10)
    inside = replace(_segment("204", 8, 15, answered=10, number=11, arrived=8), source_dn="117", main=main)
    log = [_segment("117", 0, 15, answered=2), inside]
    tracker.replay(log, since=SINCE, shown=())
    apply(tracker, "20.0 snapshot lost=-1.0 204/3=Connected@11")
    apply(tracker, "30.0 remove 204/3")
    apply(tracker, "30.0 asked alive=")
    assert _told(tracker) == [
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
        number=10, caller_dn="10007", caller_number=NUMBER, callee_dn="820", callee_number="", changed_at=_at(0)
    )
    tracker.resync([queue, leg], asked_at=_at(22), at=_at(22), lost_at=_at(1), rows=[row])
    _told(tracker)
    tracker.replay([_segment("204", 20, 30)], since=SINCE, shown=(("820", 1),))
    assert _told(tracker) == ["30.0 ringing_stopped 204 link=0 reconciled"]


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
    _told(tracker)
    inside = replace(_segment("204", 7, 16, answered=8, number=11, arrived=7), source_dn="117", source_number="117")
    tracker.replay([inside, _segment("204", 16, 22, answered=16, number=11, arrived=7)], since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == ["22.0 ended 204 link=2 answered 6.0s reconciled"]


def _leg(dn: str, status: LegStatus, *, identity: int = 3) -> Leg:
    return Leg(
        dn=dn,
        id=identity,
        kind=DnKind.EXTENSION,
        status=status,
        number=10,
        party_dn="10007",
        party_kind=DnKind.TRUNK,
        party_number=NUMBER,
    )


def test_what_ended_between_the_snapshot_and_the_log_is_left_to_its_frames() -> None:
    """The snapshot has its leg, the log its end; told from both it would be told twice."""
    leg = _leg("117", LegStatus.CONNECTED)
    tracker = new_tracker()
    before, talk = _segment("800", 1, 5, answered=1, arrived=1), _segment("117", 5, 30.2, answered=8, arrived=1)
    later = _segment("204", 30.1, 30.3, number=11, arrived=30.1)
    past = as_of([before, talk, later], [leg], tracker.plan, at=_at(30))
    assert past == [before]
    assert as_of([talk], [], tracker.plan, at=_at(30)) == [talk]


@pytest.mark.parametrize("status", [LegStatus.RINGING, LegStatus.CONNECTED])
def test_a_call_that_came_back_to_its_transferor_just_now_was_talked_by_him_before(status: LegStatus) -> None:
    """The leg of the snapshot is not that of the segment, though the segment ended only a moment before."""
    tracker = new_tracker()
    log = [_segment("117", 0, 20, answered=2), _segment("204", 20, 21.2)]
    leg = _leg("117", status, identity=9)
    past = as_of(log, [leg], tracker.plan, at=_at(22))
    assert past == log
    tracker.replay(past, since=SINCE, shown=(leg.key,))
    tracker.resync([leg], asked_at=_at(22), at=_at(22), lost_at=_at(-1))
    assert _told(tracker)[:6] == [
        "0.0 ringing 117 link=0 reconciled",
        "2.0 started 117 link=1 reconciled",
        "20.0 ringing 204 link=1 reconciled",
        "20.0 ended 117 link=1 blind answered 18.0s transferred reconciled",
        "21.2 ringing_stopped 204 link=1 reconciled",
        "22.0 ringing 117 link=1 reconciled",
    ]


def test_a_call_that_was_first_seen_long_after_its_arrival_is_not_told_again() -> None:
    """It rang where this client sees nothing; the log has it since then, under an id of that time."""
    tracker = new_tracker(hidden=["199"])
    apply(tracker, "20.0 upsert 117/1 Ringing call=10")
    assert _told(tracker) == ["20.0 ringing 117 link=0"]
    hidden = [_segment("199", 0, 20)]
    tracker.replay(hidden, since=SINCE, shown=(("117", 1),))
    assert _told(tracker) == []
    tracker.replay([*hidden, _segment("117", 20, 40, answered=30)], since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == ["30.0 started 117 link=1 reconciled", "40.0 ended 117 link=1 answered 10.0s reconciled"]


def test_a_call_that_was_seen_some_seconds_after_its_arrival_does_not_end_in_the_future() -> None:
    """Its first frames were lost: that is no sign of a PBX whose clock is behind."""
    tracker = new_tracker()
    apply(tracker, "5.0 upsert 117/1 Connected call=10 routed=1")
    _told(tracker)
    tracker.replay([_segment("117", 0, 10, answered=5)], since=SINCE, shown=())
    _hang_up(tracker, 12)
    assert _told(tracker) == ["10.0 ended 117 link=1 answered 5.0s reconciled"]


def test_an_unknown_call_before_a_restart_is_left_to_the_proof() -> None:
    """A later one has its number."""
    tracker = new_tracker()
    apply(tracker, "90.0 upsert 117/1 Ringing call=10")
    _told(tracker)
    tracker.replay([_segment("204", 0, 60, answered=3)], since=SINCE, shown=(("117", 1),))
    assert _told(tracker) == []


def test_a_call_that_came_and_went_under_the_number_of_one_before_a_restart_is_another_one() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "1.0 upsert 117/1 Connected call=10")
    _told(tracker)
    log = [_segment("117", 0, 20, answered=1), _segment("204", 30, 40, answered=33, arrived=30)]
    tracker.replay(log, since=SINCE, shown=())
    _hang_up(tracker, 60)
    first, second = "260514120000_10", "260514120030_10"
    assert [f"{event.call.id} {describe(event)}" for event in tracker.take().events] == [
        f"{first} 20.0 ended 117 link=1 answered 19.0s reconciled",
        f"{second} 30.0 ringing 204 link=0 reconciled",
        f"{second} 33.0 started 204 link=1 reconciled",
        f"{second} 40.0 ended 204 link=1 answered 7.0s reconciled",
    ]


def test_who_was_found_talking_and_got_the_call_back_in_the_next_gap_talked_twice() -> None:
    """His first sight is nearer to the beginning of his second part than to that of the one that he was seen in."""
    tracker = new_tracker()
    queue = _segment("820", 0, 30, answered=0)
    tracker.replay([queue], since=SINCE, shown=(("117", 5),))
    apply(tracker, "40.0 snapshot lost=1.0 117/5=Connected@10")
    assert _told(tracker) == [
        "0.0 ringing 820 link=0 reconciled",
        "40.0 ringing 117 link=0 reconciled",
        "40.0 started 117 link=1 reconciled",
    ]
    first, second = _segment("117", 28, 40.1, answered=30), _segment("117", 41.2, 47, answered=42)
    tracker.replay([queue, first, _segment("204", 40.1, 41.1), second], since=SINCE, shown=())
    _hang_up(tracker, 60)
    assert _told(tracker) == [
        "40.1 ringing 204 link=1 reconciled",
        "40.1 ended 117 link=1 blind answered 0.1s transferred reconciled",
        "41.1 ringing_stopped 204 link=1 reconciled",
        "41.2 ringing 117 link=1 reconciled",
        "42.0 started 117 link=2 blind reconciled",
        "47.0 ended 117 link=2 answered 5.0s reconciled",
    ]


@pytest.mark.parametrize("frames", range(9))
def test_a_kill_while_a_long_gap_is_told_repeats_nothing(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_PIECE", 1)
    log = [
        _segment("820", 0, 4, answered=0),
        _segment("101", 1, 3),
        _segment("117", 3.5, 10, answered=4),
        _segment("204", 10.5, 20, answered=12),
    ]
    whole = new_tracker()
    whole.replay(log, since=SINCE, shown=())
    _hang_up(whole, 60)
    killed, kept = new_tracker(), Memory()
    for _ in itertools.islice(killed.replaying(log, since=SINCE, shown=()), frames):
        pass
    changes = killed.take()
    kept.keep(changes)
    heir = new_tracker()
    heir.restore(map(memory.load, kept.calls.values()), kept.past, _at(50))
    heir.replay(log, since=SINCE, shown=())
    _hang_up(heir, 60)
    assert [*map(describe, changes.events), *_told(heir)] == _told(whole)
