"""Ranges and preconditions, as the RFC has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.fileserver.ranges import (
    NotModified,
    Part,
    Parts,
    PreconditionFailed,
    Representation,
    Selection,
    Unsatisfiable,
    Whole,
    select,
)

FILE = Representation(size=1000, tag="abc-3e8", modified=datetime(2026, 5, 14, 12, 0, tzinfo=UTC))
AT = "Thu, 14 May 2026 12:00:00 GMT"
BEFORE = "Thu, 14 May 2026 11:59:59 GMT"
AFTER = "Thu, 14 May 2026 12:00:01 GMT"


def selected(method: str = "GET", **headers: str) -> Selection:
    return select(method, CIMultiDict({name.replace("_", "-"): text for name, text in headers.items()}), FILE)


@pytest.mark.parametrize(
    ("wanted", "selection"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=0-499", Part(0, 500)),
        ("bytes=500-", Part(500, 500)),
        ("bytes=999-", Part(999, 1)),
        ("bytes=0-99999", Part(0, 1000)),
        ("bytes=-1", Part(999, 1)),
        ("bytes=-5000", Part(0, 1000)),
        ("BYTES= 10-19 ", Part(10, 10)),
        ("bytes=1000-", Unsatisfiable()),
        ("bytes=1000-2000", Unsatisfiable()),
        ("bytes=-0", Unsatisfiable()),
        ("bytes=5-4", Whole()),
        ("bytes=-", Whole()),
        ("bytes=a-b", Whole()),
        ("bytes=0-1,5-6", Parts((Part(0, 2), Part(5, 2)))),
        ("bytes=5-6, 0-1 ,-10", Parts((Part(5, 2), Part(0, 2), Part(990, 10)))),
        ("bytes=,0-1,,", Part(0, 2)),
        ("bytes=0-1,2000-", Part(0, 2)),
        ("bytes=1000-,2000-", Unsatisfiable()),
        ("bytes=0-5,5-6", Whole()),
        ("bytes=0-1,x", Whole()),
        ("bytes=0-1,9-8", Whole()),
        ("bytes=" + ",".join(f"{2 * start}-{2 * start}" for start in range(17)), Whole()),
        ("items=0-1", Whole()),
        ("", Whole()),
        ("bytes=" + "9" * 100 + "-", Whole()),
    ],
)
def test_range(wanted: str, selection: Selection) -> None:
    assert selected(Range=wanted) == selection


def test_range_of_a_head_request_is_ignored() -> None:
    assert selected("HEAD", Range="bytes=0-1") == Whole()


@pytest.mark.parametrize(
    ("condition", "selection"),
    [
        ('"abc-3e8"', Part(0, 2)),
        ('W/"abc-3e8"', Whole()),
        ('"other"', Whole()),
        (AT, Part(0, 2)),
        (BEFORE, Whole()),
        (AFTER, Whole()),
        ("nonsense", Whole()),
    ],
)
def test_a_part_is_sent_only_of_the_file_the_client_knows(condition: str, selection: Selection) -> None:
    assert selected(Range="bytes=0-1", If_Range=condition) == selection


@pytest.mark.parametrize(
    ("headers", "selection"),
    [
        ({"If_None_Match": '"abc-3e8"'}, NotModified()),
        ({"If_None_Match": 'W/"abc-3e8"'}, NotModified()),
        ({"If_None_Match": '"x", "abc-3e8"'}, NotModified()),
        ({"If_None_Match": "*"}, NotModified()),
        ({"If_None_Match": '"x"', "If_Modified_Since": AT}, Whole()),
        ({"If_Modified_Since": AT}, NotModified()),
        ({"If_Modified_Since": AFTER}, NotModified()),
        ({"If_Modified_Since": BEFORE}, Whole()),
        ({"If_Modified_Since": "tomorrow"}, Whole()),
        ({"If_Match": '"abc-3e8"'}, Whole()),
        ({"If_Match": 'W/"abc-3e8"'}, PreconditionFailed()),
        ({"If_Match": '"x"'}, PreconditionFailed()),
        ({"If_Match": "*"}, Whole()),
        ({"If_Unmodified_Since": BEFORE}, PreconditionFailed()),
        ({"If_Unmodified_Since": AT}, Whole()),
        ({"If_Match": '"abc-3e8"', "If_Unmodified_Since": BEFORE}, Whole()),
        ({"If_Match": '"x"', "If_None_Match": '"abc-3e8"'}, PreconditionFailed()),
        ({"If_None_Match": '"abc-3e8"', "Range": "bytes=0-1"}, NotModified()),
    ],
)
def test_preconditions(headers: dict[str, str], selection: Selection) -> None:
    assert selected(**headers) == selection


@given(wanted=st.from_regex(r"bytes=\d{0,5}-\d{0,5}", fullmatch=True), size=st.integers(1, 2000))
def test_a_part_lies_within_the_file(wanted: str, size: int) -> None:
    part = select("GET", {"Range": wanted}, Representation(size=size, tag="t", modified=FILE.modified))
    if isinstance(part, Part):
        assert 0 <= part.start < size
        assert 1 <= part.length <= size - part.start


@given(wanted=st.text(max_size=40), condition=st.text(max_size=40))
def test_any_header_gets_an_answer(wanted: str, condition: str) -> None:
    assert isinstance(select("GET", {"Range": wanted, "If-Range": condition}, FILE), Whole | Part | Unsatisfiable)
