"""When an endpoint is no longer tried, and how it is found out that it answers again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.breaker import SLICES, Breaker, BreakerChange, BreakerRules

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
RULES = BreakerRules()
SECOND = timedelta(seconds=1)

steps = st.lists(st.tuples(st.floats(min_value=0, max_value=120), st.booleans()), max_size=120)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(RULES.least_attempts):
        breaker.attempted(succeeded=False, now=NOON)
    return breaker


def test_ten_failures_open_it_and_nine_do_not() -> None:
    breaker = Breaker()
    changes = [breaker.attempted(succeeded=False, now=NOON) for _ in range(10)]

    assert changes == [None] * 9 + [BreakerChange.OPENED]
    assert (breaker.opened_at, breaker.probe_at) == (NOON, NOON + 30 * SECOND)


def test_seven_of_ten_open_it_and_six_do_not() -> None:
    for failures, change in ((7, BreakerChange.OPENED), (6, None)):
        breaker = Breaker()
        for _ in range(10 - failures):
            breaker.attempted(succeeded=True, now=NOON)
        assert [breaker.attempted(succeeded=False, now=NOON) for _ in range(failures)][-1] is change


def test_failures_are_forgotten_after_the_window() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.attempted(succeeded=False, now=NOON)

    assert breaker.attempted(succeeded=False, now=NOON + RULES.window) is None


def test_a_probe_that_fails_is_followed_by_another_an_interval_later() -> None:
    breaker = opened()
    at = NOON + RULES.probe_interval
    breaker.probing(now=at)
    assert breaker.probe_at == at + RULES.probe_interval
    later = at + 15 * SECOND

    assert breaker.attempted(succeeded=False, now=later, is_probe=True) is None
    assert (breaker.opened_at, breaker.probe_at) == (NOON, later + RULES.probe_interval)


def test_only_a_probe_closes_it() -> None:
    breaker = opened()

    assert breaker.attempted(succeeded=True, now=NOON + SECOND) is None
    assert breaker.opened_at == NOON
    assert breaker.attempted(succeeded=True, now=NOON + SECOND, is_probe=True) is BreakerChange.CLOSED
    assert breaker.probe_at is None
    assert breaker.attempted(succeeded=False, now=NOON + SECOND) is None


@given(steps)
def test_it_opens_by_its_rules_and_its_memory_is_bounded(steps: list[tuple[float, bool]]) -> None:
    breaker, now = Breaker(), NOON
    made: list[tuple[datetime, bool]] = []
    for pause, succeeded in steps:
        now += timedelta(seconds=pause)
        change = breaker.attempted(succeeded=succeeded, now=now)
        made.append((now, succeeded))
        # Slices are coarse: what left the window at most a slice ago may or may not count.
        certain = [good for at, good in made if at > now - RULES.window]
        possible = [good for at, good in made if at > now - RULES.window - RULES.window / SLICES]
        if change is BreakerChange.OPENED:
            assert not succeeded
            assert len(possible) >= RULES.least_attempts
            assert possible.count(False) >= RULES.failed_share * len(certain)
            return
        if not succeeded and len(certain) >= RULES.least_attempts and certain == possible:
            assert certain.count(False) < RULES.failed_share * len(certain)
        assert len(breaker._slices) <= SLICES + 1
