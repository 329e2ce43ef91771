"""Stored times: what is written is what is read, to the microsecond, whatever the time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from switchhook.storage.times import length_micros, micros, moment, stored_length

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def test_a_time_counts_from_1970_and_comes_back_in_utc() -> None:
    assert micros(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == 0
    assert micros(datetime(2026, 3, 1, 8, 30, 0, 7, tzinfo=UTC)) == 1_772_353_800_000_007
    assert moment(1_772_353_800_000_007).isoformat() == "2026-03-01T08:30:00.000007+00:00"


@given(st.datetimes(timezones=ZONES).filter(lambda when: 1 < when.year < 9999))
def test_a_time_is_read_as_it_was_written(when: datetime) -> None:
    assert moment(micros(when)) == when


@given(st.timedeltas())
def test_a_length_is_read_as_it_was_written(length: timedelta) -> None:
    assert stored_length(length_micros(length)) == length
