"""What a file in the PBX's folder tells by its name, its place and its time."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.recorder.filing import made_up_end
from services.recorder.folder_rows import file_row, name_times
from services.recorder.rows import RecordingRow, row_from_json, row_to_json
from switchhook.events import Direction
from switchhook.rpc import decode, encode

PRAGUE = ZoneInfo("Europe/Prague")
LENGTH = timedelta(seconds=60)
WRITTEN = datetime(2026, 5, 14, 12, 1, tzinfo=UTC)  # 14:01 in Prague
TIME = "20260514140000"


def read(path: str, *, written_at: datetime = WRITTEN) -> RecordingRow:
    return file_row(path, written_at=written_at, length=LENGTH, zone=PRAGUE, mark=5)


@pytest.mark.parametrize(
    ("path", "number", "outside", "direction"),
    [
        (f"101/[Jane Doe]_101-0800123456_{TIME}(46).wav", 46, "0800123456", Direction.OUTBOUND),
        (f"101/[Doe, Jane]_+420777123-101_{TIME}(46).wav", 46, "420777123", Direction.INBOUND),
        (f"101/[420777]_420777-101_{TIME}(46).WAV", 46, "420777", Direction.INBOUND),
        (f"101/[]_anonymous-101_{TIME}(46).wav", 46, "anonymous", Direction.INBOUND),
        (f"101/[a-b_c]_420777-101_{TIME}(46).wav", 46, "420777", Direction.INBOUND),
        (f"101/420777-101_{TIME}(46).wav", 46, "420777", Direction.INBOUND),
        (f"101/420777-101_{TIME}.wav", None, "420777", Direction.INBOUND),
        (f"101/[x]_-101_{TIME}(46).wav", 46, "", None),
        (f"101/[x]_101-102_{TIME}(46).wav", 46, "102", None),
        (f"[x]_101-420777_{TIME}(46).wav", 46, "101", None),
        ("101/renamed.wav", None, "", None),
    ],
)
def test_names(path: str, number: int | None, outside: str, direction: Direction | None) -> None:
    row = read(path)
    assert (row.call_number, row.outside_number, row.direction) == (number, outside, direction)
    assert row.started_at == datetime(2026, 5, 14, 12, tzinfo=UTC)
    assert row.ended_at == WRITTEN
    assert (row.file, row.place) == (path, 5)
    assert row_from_json(row_to_json(row)) == row


def test_a_name_of_bytes_that_are_no_text_can_be_told_of() -> None:
    row = read(os.fsdecode(b"10\xff/[x]_42\xfe0777-10\xff_%s(46).wav" % TIME.encode()))
    assert os.fsencode(row.file).startswith(b"10\xff/")
    end = made_up_end("main", row, timezone="UTC", at=WRITTEN)
    assert decode(encode(end)).user == row.user != ""


def test_the_folder_is_the_extension() -> None:
    assert (read("101/renamed.wav").user, read("101/renamed.wav").sides) == ("101", frozenset({"101"}))
    assert read("archive/101/x.wav").user == "101"


def test_a_time_in_utc_is_told_by_the_file() -> None:
    row = read("101/[x]_420777-101_20260514120000(46).wav")
    assert row.started_at == datetime(2026, 5, 14, 12, tzinfo=UTC)


def test_the_hour_that_comes_twice_is_told_by_the_file() -> None:
    path = "101/[x]_420777-101_20261025023000(46).wav"
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for began in (first, second):
        assert read(path, written_at=began + LENGTH).started_at == began


def test_a_copy_with_a_time_of_its_own_has_that_of_its_name() -> None:
    row = read(f"101/[x]_420777-101_{TIME}(46).wav", written_at=WRITTEN + timedelta(days=9))
    assert row.started_at == datetime(2026, 5, 14, 12, tzinfo=UTC)


def test_a_time_that_is_none_is_ignored() -> None:
    assert name_times("x_20261399999999(4).wav", PRAGUE) == []


def test_ids_fit_into_a_column_and_differ() -> None:
    ids = {read(f"{extension}/same.wav").id for extension in range(1000)}
    assert len(ids) == 1000
    assert all(0 <= identity < 2**63 for identity in ids)
