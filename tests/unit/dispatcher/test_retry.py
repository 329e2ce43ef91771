"""When a delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.retry import OVERLOAD_DELAY, next_attempt_at, parse_retry_after

NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
SCHEDULE = (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30))

delays = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=2))
schedules = st.lists(delays, min_size=1, max_size=9)
jitters = st.floats(min_value=-0.2, max_value=0.2)
asked_pauses = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))


@pytest.mark.parametrize(
    ("attempt", "delay"), [(1, timedelta(seconds=5)), (2, timedelta(minutes=5)), (3, timedelta(minutes=30))]
)
def test_the_schedule_holds_the_delays_between_attempts(attempt: int, delay: timedelta) -> None:
    assert next_attempt_at(SCHEDULE, attempt=attempt, now=NOW, jitter=0) == NOW + delay


def test_after_the_last_delay_there_is_no_attempt() -> None:
    assert next_attempt_at(SCHEDULE, attempt=4, now=NOW, jitter=0) is None


def test_without_a_schedule_there_is_one_attempt() -> None:
    assert next_attempt_at((), attempt=1, now=NOW, jitter=0) is None


def test_an_overloaded_endpoint_has_a_minute_of_peace() -> None:
    assert next_attempt_at(SCHEDULE, attempt=1, now=NOW, jitter=-0.2, overloaded=True) == NOW + OVERLOAD_DELAY


def test_overload_leaves_a_longer_delay_as_it_is() -> None:
    assert next_attempt_at(SCHEDULE, attempt=2, now=NOW, jitter=0, overloaded=True) == NOW + SCHEDULE[1]


def test_retry_after_is_clamped_to_twice_the_base() -> None:
    due = next_attempt_at(SCHEDULE, attempt=2, now=NOW, jitter=0, retry_after=timedelta(hours=1))

    assert due == NOW + timedelta(minutes=10)


def test_retry_after_of_an_overloaded_endpoint_is_clamped_to_twice_the_raised_base() -> None:
    due = next_attempt_at(SCHEDULE, attempt=1, now=NOW, jitter=0, overloaded=True, retry_after=timedelta(seconds=90))

    assert due == NOW + timedelta(seconds=90)


@given(schedule=schedules, jitter=jitters, overloaded=st.booleans(), asked=asked_pauses)
def test_retry_after_is_never_shortened_below_the_base_nor_stretched_beyond_twice(
    schedule: list[timedelta], jitter: float, overloaded: bool, asked: timedelta
) -> None:
    base = max(schedule[0], OVERLOAD_DELAY) if overloaded else schedule[0]

    due = next_attempt_at(schedule, attempt=1, now=NOW, jitter=jitter, overloaded=overloaded, retry_after=asked)

    assert due is not None
    assert base <= due - NOW <= 2 * base
    assert due - NOW >= min(asked, 2 * base)


@given(schedule=schedules, jitter=jitters, overloaded=st.booleans())
def test_jitter_moves_a_delay_by_a_fifth_at_most(schedule: list[timedelta], jitter: float, overloaded: bool) -> None:
    base = max(schedule[0], OVERLOAD_DELAY) if overloaded else schedule[0]

    due = next_attempt_at(schedule, attempt=1, now=NOW, jitter=jitter, overloaded=overloaded)

    assert due is not None
    assert base * 0.8 <= due - NOW <= base * 1.2
    assert not overloaded or due - NOW >= OVERLOAD_DELAY


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("0", timedelta(0)),
        (" 120 ", timedelta(minutes=2)),
        ("9" * 400, timedelta(days=365)),
        ("Sat, 07 Mar 2026 12:02:00 GMT", timedelta(minutes=2)),
        ("Sat, 07 Mar 2026 12:02:00 -0000", timedelta(minutes=2)),
        ("Sat, 07 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Sat, 99 Mar 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, pause: timedelta | None) -> None:
    assert parse_retry_after(header, now=NOW) == pause


@given(header=st.text())
def test_no_header_breaks_the_reader(header: str) -> None:
    pause = parse_retry_after(header, now=NOW)

    assert pause is None or timedelta(0) <= pause <= timedelta(days=365)
