"""When the daily purge is due."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from services.recorder.retention import next_purge


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
