"""A question that fails is asked ever more seldom, and never before the PBX asks for; one that is answered, at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.monitor.pace import Pace, stretched

NOW = datetime(2026, 5, 14, 12, 0, 0, tzinfo=UTC)
NOTHING = timedelta()


def test_pauses_grow_up_to_half_a_minute() -> None:
    pace, pauses = Pace(), []
    for _ in range(12):
        pace.failed(NOW, at_least=NOTHING, jitter=0.0)
        pauses.append(next(ms for ms in range(0, 40_000, 100) if pace.is_due(NOW + timedelta(milliseconds=ms))))
    assert pauses == [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]


def test_jitter_spreads_them() -> None:
    early, late = Pace(), Pace()
    early.failed(NOW, at_least=NOTHING, jitter=-0.2)
    late.failed(NOW, at_least=NOTHING, jitter=0.2)
    assert early.is_due(NOW + timedelta(milliseconds=80))
    assert not late.is_due(NOW + timedelta(milliseconds=119))


def test_it_is_not_due_before_the_pbx_asks_for() -> None:
    pace = Pace()
    pace.failed(NOW, at_least=timedelta(seconds=9), jitter=0.0)
    assert not pace.is_due(NOW + timedelta(seconds=8.9))
    assert pace.is_due(NOW + timedelta(seconds=9))


def test_an_answer_begins_anew() -> None:
    pace = Pace()
    failing = [pace.is_failing]
    pace.failed(NOW, at_least=NOTHING, jitter=0.0)
    failing.append(pace.is_failing)
    pace.answered()
    failing.append(pace.is_failing)
    assert failing == [False, True, False]
    assert pace.is_due(NOW)


def test_an_answer_that_takes_long_is_asked_for_less_often() -> None:
    interval = timedelta(seconds=15)
    assert stretched(interval, timedelta(milliseconds=150)) == interval
    assert stretched(interval, timedelta(milliseconds=300)) == timedelta(seconds=30)
    assert stretched(interval, timedelta(seconds=5)) == timedelta(seconds=60)


def test_a_clock_that_is_set_back_makes_no_pause_longer() -> None:
    pace = Pace()
    pace.failed(NOW, at_least=timedelta(seconds=9), jitter=0.0)
    assert not pace.is_due(NOW)
    assert pace.is_due(NOW - timedelta(hours=2))
