"""A row of the call log is read as far as it tells what is needed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.monitor.call_log import read_segment
from services.monitor.calls.history import decode_history_id


def test_a_history_id_carries_arrival_and_number() -> None:
    """The published sample of the vendor's guide."""
    key = decode_history_id("00000000-01dc-27fa-d1eb-64b00000002e")
    assert key is not None
    assert (f"{key.arrived_at:%Y-%m-%d %H:%M:%S}", key.number) == ("2025-09-17 17:45:13", 46)


@pytest.mark.parametrize(
    "text",
    [
        *("", "none", "00000000-01dc-27fa-d1eb-64b00000002", "zz" * 16),
        "00000000-01dc-27fa-d1eb-64b0ffffffff",  # no number of 32 bits with a sign
        "00000000-0000-0000-0000-00000000002e",  # of 1601
        "00000000-2386-f26f-c100-00000000002e",  # of 9713
    ],
)
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


def test_texts_of_a_row_have_bounds() -> None:
    row = {"CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e", "StartTime": "2025-09-17T17:45:21.3Z"}
    names = ("SourceDn", "SourceCallerId", "DestinationDn", "DestinationCallerId", "Reason")
    segment = read_segment(row | dict.fromkeys(names, "9" * 100_000))
    assert segment is not None
    texts = (segment.source_dn, segment.source_number, segment.destination_dn, segment.destination_number)
    assert {*map(len, texts), len(segment.reason)} == {256}


def test_texts_have_no_control_characters() -> None:
    """PostgreSQL takes no text with NUL: the PBX of that call would be kept waiting for ever."""
    row = {"CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e", "StartTime": "2025-09-17T17:45:21.3Z"}
    segment = read_segment(row | {"SourceDn": "11\x007", "Reason": "Ended\r\n by Ünal \x1b[1m(117)"})
    assert segment is not None
    assert (segment.source_dn, segment.reason) == ("117", "Ended by Ünal [1m(117)")
