"""How the simulated PBX writes its objects, times and ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simulator.wire import duration_text, history_id, utc_text


def decode(chid: str) -> tuple[datetime, int]:
    """The vendor's layout, read back: time and run-time call number."""
    digits = chid.replace("-", "")
    ticks, number = int(digits[8:24], 16), int(digits[24:32], 16)
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10), number


def test_a_history_id_is_the_one_of_the_vendors_sample() -> None:
    began = datetime(2025, 9, 17, 17, 45, 13, 144338, tzinfo=UTC)
    text = history_id(began.timestamp(), 46)
    assert text.startswith("00000000-01dc-27fa-d1eb-")
    assert text.endswith("0000002e")
    assert decode(text) == (began, 46)
    assert decode("00000000-01dc-27fa-d1eb-64b00000002e")[0].replace(microsecond=0) == began.replace(microsecond=0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (6.2, "PT6.2S"), (76.46, "PT1M16.46S"), (60, "PT1M"), (3723, "PT1H2M3S"), (-1, "PT0S")],
)
def test_durations_are_iso_8601(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_times_are_utc_with_fractions() -> None:
    assert utc_text(0.5) == "1970-01-01T00:00:00.500000Z"
