"""Durations as text, both ways."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchhook.settings import format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("5s", timedelta(seconds=5)),
        ("1.5s", timedelta(milliseconds=1500)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        (" 30d ", timedelta(days=30)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_a_number_with_a_unit(written: str, meant: timedelta) -> None:
    assert parse_duration(written) == meant


@pytest.mark.parametrize("written", ["5", "s", "", "-5s", "5 weeks", "1h30m", "5S", "\u0665s", 5, 5.0, None, True])
def test_anything_else_is_refused_with_the_way_to_write_it(written: object) -> None:
    with pytest.raises(ValueError, match="such as"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["36501d", "9" * 400 + "d"])
def test_a_duration_that_would_overflow_dates_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="at most 36500d"):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=36500 * 86_400_000))
def test_what_is_written_is_read_again(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
