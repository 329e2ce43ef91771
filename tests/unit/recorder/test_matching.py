"""Rows of the PBX's list, and whose they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recorder.matching import AwaitedLink, LinkIndex, LinkKey
from services.recorder.rows import RecordingRow, parse_row, row_from_json, row_to_json
from switchhook.events import CallId, Direction

START = datetime(2026, 5, 14, 13, 13, 42, tzinfo=UTC)
CALL = CallId("260514131330_3644")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def link(number: int = 1, user: str = "4166", begin: float = 0, end: float = 60) -> AwaitedLink:
    return AwaitedLink(
        key=LinkKey("main", CALL, number),
        numbers=(3644, 3650),
        user=user,
        outside_number="+420 777".replace(" ", ""),
        started_at=after(begin),
        ended_at=after(end),
    )


def row(begin: float = 0, end: float = 60, *, number: int | None = 3644, sides: str = "4166 420777") -> RecordingRow:
    return RecordingRow(
        id=1, call_number=number, sides=frozenset(sides.split()), started_at=after(begin), ended_at=after(end)
    )


def owner(listed: RecordingRow, *links: AwaitedLink) -> int | None:
    index = LinkIndex()
    for each in links:
        index.add(each)
    found = index.owner(listed)
    return found.key.link if found else None


@pytest.mark.parametrize("begin", [0, 5, -10, 59, 70])
def test_a_row_within_the_time_of_its_link_is_found(begin: float) -> None:
    assert owner(row(begin, begin + 20), link()) == 1


@pytest.mark.parametrize(
    "listed",
    [
        row(-10.1),
        row(70.1),
        row(number=17),
        row(sides="4167 420777"),
        replace(row(), started_at=None),
        replace(row(), direction=Direction.INTERNAL),
        row(number=None, sides="4166 999"),
    ],
)
def test_other_rows_belong_to_nobody(listed: RecordingRow) -> None:
    assert owner(listed, link()) is None


def test_a_call_is_found_by_any_of_its_numbers() -> None:
    assert owner(row(number=3650), link()) == 1


def test_a_row_without_a_call_number_is_found_by_both_sides_and_time() -> None:
    assert owner(row(number=None), link()) == 1


@pytest.mark.parametrize(("other", "expected"), [("4167", None), ("420777", 1), ("00420777", 1), ("anonymous", 1)])
def test_where_nothing_tells_the_direction_a_colleague_is_known_by_the_number(other: str, expected: int | None) -> None:
    assert owner(row(sides=f"4166 {other}"), link()) == expected


def test_a_recording_of_an_internal_call_is_for_an_internal_call() -> None:
    assert owner(replace(row(), direction=Direction.INTERNAL), replace(link(), is_internal=True)) == 1


@pytest.mark.parametrize(("begin", "end", "expected"), [(0, 20, 1), (50, 60, 1), (64, 90, 2), (61, 90, 2), (55, 90, 2)])
def test_time_decides_between_two_links_of_one_extension(begin: float, end: float, expected: int) -> None:
    assert owner(row(begin, end), link(1, begin=0, end=60), link(2, begin=65, end=90)) == expected


@given(shift=st.floats(min_value=-9.5, max_value=9.5), gap=st.floats(min_value=0, max_value=5))
def test_a_clock_that_is_off_does_not_mix_up_links(shift: float, gap: float) -> None:
    links = (link(1, begin=0, end=60), link(2, "4170", begin=60, end=62), link(3, begin=62 + gap, end=120))
    assert owner(row(0 + shift, 60 + shift), *links) == 1
    assert owner(row(62 + gap + shift, 120 + shift), *links) == 3


def test_what_is_no_longer_awaited_is_not_found() -> None:
    index = LinkIndex()
    index.add(link(1))
    index.add(link(2, begin=65, end=90))
    index.discard(link(1))
    index.discard(link(1))
    found = index.owner(row(70, 80))
    assert found is not None
    assert found.key.link == 2
    index.discard(link(2, begin=65, end=90))
    assert index.owner(row(70, 80)) is None


LISTED = {
    "Id": 7,
    "StartTime": "2026-05-14T13:13:42.865288Z",
    "EndTime": "2026-05-14T13:14:42Z",
    "FromDn": "4166",
    "ToDn": "10007",
    "FromCallerNumber": "Ext.4166",
    "ToCallerNumber": "+420777",
    "CallType": "OutboundExternal",
    "RecordingUrl": "4166/[Jane Doe]_4166-00420777_20260514131342(3644).wav",
    "SomethingNew": {"a": 1},
}


def test_a_row_of_the_list() -> None:
    parsed = parse_row(LISTED)
    assert parsed == RecordingRow(
        id=7,
        call_number=3644,
        sides=frozenset({"4166", "10007", "420777", "00420777"}),
        started_at=datetime(2026, 5, 14, 13, 13, 42, 865288, tzinfo=UTC),
        ended_at=datetime(2026, 5, 14, 13, 14, 42, tzinfo=UTC),
        direction=Direction.OUTBOUND,
        user="4166",
        outside_number="+420777",
    )


def test_a_row_is_remembered_as_it_is() -> None:
    for listed in (parse_row(LISTED), parse_row({"Id": 1}), row(number=None)):
        assert listed is not None
        assert row_from_json(row_to_json(listed)) == listed


@pytest.mark.parametrize(
    ("name", "number", "side"),
    [
        ("[]_100-0800000000_20190211124709(2).wav", 2, "100"),
        ("[2700000000]_2700000000-100_20190211124743(3).wav", 3, "100"),
        ("[Doe, Jane]_+4930-101_20190211124743(30).mp3", 30, "101"),
        ("[a [b] (9)]_101-102_20190211124743(31).wav", 31, "102"),
        ("101-102_20190211124743(31).wav", 31, "101"),
        ("odd name.wav", None, "4166"),
        ("", None, "4166"),
        ("folder\\4170\\x(5).wav", 5, "4170"),
    ],
)
def test_names_are_read_as_far_as_they_can_be(name: str, number: int | None, side: str) -> None:
    parsed = parse_row({**LISTED, "RecordingUrl": name})
    assert parsed is not None
    assert parsed.call_number == number
    assert side in parsed.sides


@pytest.mark.parametrize("fields", [{}, {"Id": None}, {"Id": "7"}, {"Id": True}, {"Id": 0}, {"Id": 2**63}])
def test_a_row_without_an_id_is_no_row(fields: dict[str, object]) -> None:
    assert parse_row(fields) is None


@pytest.mark.parametrize(
    "unset",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+14:00",
        "1601-01-01T00:00:00Z",
        "9950-01-01T00:00:00Z",
    ],
)
def test_a_time_that_a_pbx_writes_for_none_is_none(unset: str) -> None:
    parsed = parse_row({**LISTED, "StartTime": unset, "EndTime": unset})
    assert parsed is not None
    assert (parsed.started_at, parsed.ended_at) == (None, None)


def test_missing_fields_are_tolerated() -> None:
    parsed = parse_row({"Id": 1, "StartTime": None, "EndTime": "soon", "RecordingUrl": None})
    assert parsed == RecordingRow(id=1, call_number=None, sides=frozenset(), started_at=None, ended_at=None)
