"""The path of a waveform."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis.strategies import binary

from services.fileserver.waveform import HEIGHT, WIDTH, drawn


def test_the_highest_peak_is_as_high_as_the_picture() -> None:
    assert drawn(bytes([20, 10])) == "M0.0 0.0H350.0V100.0H0.0zM500.0 25.0H850.0V75.0H500.0z"


def test_without_peaks_there_is_a_plain_bar() -> None:
    assert drawn(b"") == "M0.0 48.5H1000.0V51.5H0.0z"


@given(binary(max_size=300))
def test_any_peaks_stay_within_the_picture(waveform: bytes) -> None:
    path = drawn(waveform)
    assert path.count("M") == path.count("z") == max(len(waveform), 1)
    assert all(0 <= float(x) <= WIDTH for x in re.findall(r"[MH]([0-9.]+)", path))
    assert all(0 <= float(y) <= HEIGHT for y in re.findall(r"(?:M[0-9.]+ |V)([0-9.]+)", path))
