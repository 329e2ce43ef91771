"""The call log tells what nobody saw: whole calls, parts of calls that live, and nothing that was told before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.monitor.call_log import read_segment
from services.monitor.calls.history import CallKey, Segment, decode_history_id
from tests.unit.monitor.table import NUMBER, START, apply, describe, new_tracker

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
