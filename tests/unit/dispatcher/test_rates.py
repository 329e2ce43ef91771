"""How many attempts a second go: the rate limit's bucket, and the drain of a backlog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.drain import FIRST_RATE, LEAST_RATE, MOST_RATE, Drain
from services.dispatcher.token_bucket import BURST, TokenBucket

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

rates = st.floats(min_value=0.1, max_value=5_000)
pauses = st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=200)


@given(rate=rates, pauses=pauses)
def test_no_second_sees_more_than_the_rate_and_the_burst(rate: float, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate, now=NOON), NOON, list[datetime]()
    for pause in pauses:
        now += timedelta(seconds=pause)
        if not bucket.wait(now):
            bucket.take(now)
            taken.append(now)

    most = rate * 1.0 + max(1.0, rate * BURST)
    for first in taken:
        assert sum(first <= at < first + SECOND for at in taken) <= most + 1e-6


@given(rate=rates)
def test_a_wait_is_as_long_as_it_must_be_and_no_longer(rate: float) -> None:
    bucket = TokenBucket(rate, now=NOON)
    while not bucket.wait(NOON):
        bucket.take(NOON)
    wait = bucket.wait(NOON)

    assert wait <= timedelta(seconds=1 / rate) + timedelta(microseconds=2)
    assert bucket.wait(NOON + wait) == timedelta(0)


def test_a_clock_that_is_set_back_does_not_stop_the_filling() -> None:
    bucket = TokenBucket(1, now=NOON)
    bucket.take(NOON)

    assert bucket.wait(NOON - timedelta(hours=1)) <= SECOND + timedelta(microseconds=1)
    assert bucket.wait(NOON - timedelta(hours=1) + 2 * SECOND) == timedelta(0)


def test_the_drain_begins_low_grows_with_successes_and_is_halved_by_a_failure() -> None:
    drain = Drain(now=NOON)
    assert drain.rate == FIRST_RATE
    for _ in range(100):
        drain.succeeded(now=NOON)
    grown = drain.rate
    assert grown == pytest.approx(FIRST_RATE + 50)
    drain.failed(started_at=NOON, now=NOON + SECOND)

    assert drain.rate == grown / 2
    drain.failed(started_at=NOON, now=NOON + 2 * SECOND)
    assert drain.rate == grown / 2, "it had started before the halving"
    drain.succeeded(now=NOON + 2 * SECOND)
    assert grown / 2 < drain.rate < grown / 2 + 0.5, "after a failure it grows slowly"


@given(st.lists(st.booleans(), max_size=300))
def test_the_drains_rate_stays_within_its_bounds_and_follows_the_results(results: list[bool]) -> None:
    drain, now = Drain(now=NOON), NOON
    for succeeded in results:
        now += timedelta(milliseconds=10)
        before = drain.rate
        if succeeded:
            drain.succeeded(now=now)
            assert drain.rate > before
        else:
            drain.failed(started_at=now, now=now)
            assert drain.rate == max(before / 2, LEAST_RATE)
        assert LEAST_RATE <= drain.rate <= MOST_RATE
