"""Peaks of what ffmpeg measured."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.recorder.riff import Codec, Wav
from services.recorder.waveform import LEVEL, PEAKS, waveform, window


def measured(*levels: object) -> list[str]:
    return [line for level in levels for line in ("frame:0    pts:0       pts_time:0", f"{LEVEL}={level}")]


def test_levels_are_told_by_their_share_of_full_scale() -> None:
    assert waveform(measured(0.0, "-6", "-40", "-inf")) == bytes([255, 128, 3, 0])


def test_what_is_no_level_is_silence_and_what_is_no_measure_is_left_out() -> None:
    assert waveform(["nonsense", *measured("none", "nan", "1e9")]) == bytes([0, 0, 255])
    assert waveform([]) == b""


@pytest.mark.parametrize("count", [1, PEAKS, PEAKS + 1, 1080, 100_000])
def test_of_many_measures_the_loudest_stay(count: int) -> None:
    levels = [-60.0] * count
    levels[count // 2] = 0.0
    peaks = waveform(measured(*levels))
    assert 0 < len(peaks) <= PEAKS
    assert peaks.count(255) == 1
    assert abs(peaks.index(255) - len(peaks) // 2) <= 1


@pytest.mark.parametrize(("seconds", "samples"), [(0.001, 1), (4.0, 160), (180.0, 7200), (3 * 3600.0, 8_000)])
def test_a_window_is_a_share_of_the_length_but_never_long(seconds: float, samples: int) -> None:
    wav = Wav(codec=Codec.PCM, channels=1, rate=8000, duration=timedelta(seconds=seconds))
    assert window(wav) == samples
