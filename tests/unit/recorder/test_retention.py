"""When the daily purge is due."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from services.recorder.retention_policy import RetentionPolicy, is_missed, next_purge


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-05-14 02:59:59", "2026-05-14 03:00"),
        ("2026-05-14 03:00", "2026-05-15 03:00"),
        ("2026-12-31 23:00", "2027-01-01 03:00"),
    ],
)
def test_the_next_purge_is_today_or_tomorrow(now: str, expected: str) -> None:
    assert next_purge(datetime.fromisoformat(now), time(3, 0)) == datetime.fromisoformat(expected)


POLICY = RetentionPolicy(
    default=timedelta(days=90),
    by_pbx={"main": timedelta(days=30)},
    by_direction={"outbound": timedelta(days=7)},
    by_did={"Hot line": timedelta(days=365)},
)


@pytest.mark.parametrize(
    ("pbx", "direction", "did", "days"),
    [
        ("other", "inbound", "", 90),
        ("main", "inbound", "Shop", 30),
        ("main", "outbound", "", 7),
        ("main", "inbound", "Hot line", 365),
        ("main", "outbound", "Hot line", 365),
    ],
)
def test_the_nearest_rule_counts(pbx: str, direction: str, did: str, days: int) -> None:
    assert POLICY.of(pbx, direction=direction, did=did) == timedelta(days=days)


def test_nothing_is_kept_longer_than_the_longest_rule() -> None:
    assert POLICY.longest == timedelta(days=365)
    assert RetentionPolicy(default=timedelta(days=1)).longest == timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, True),
        ("2026-03-06 03:00:01", False),
        ("2026-03-06 03:00", False),
        ("2026-03-06 02:59", True),
        ("2026-01-01", True),
        ("2027-01-01", True),  # the clock was wrong then
    ],
)
def test_a_purge_is_missed_when_its_time_has_passed_since_the_last(last: str | None, expected: bool) -> None:
    finished = None if last is None else datetime.fromisoformat(last)
    assert is_missed(finished, datetime.fromisoformat("2026-03-06 14:00"), time(3)) is expected
