"""How a recording looks: its loudest moments one after the other, as ffmpeg measures them while it converts. Pure."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.recorder.riff import Wav

PEAKS = 200
"""Of a recording, at most."""

LEVEL = "lavfi.astats.Overall.Peak_level"
"""What ffmpeg calls the loudest moment of a window, in dB below full scale."""

_LONGEST = 1.0  # seconds of a window: ffmpeg holds the sound of one in memory
_MEASURED = re.compile(rf"^{re.escape(LEVEL)}=(?P<level>\S+)$")


def window(wav: Wav) -> int:
    """Samples of which the loudest is one measure."""
    seconds = wav.duration.total_seconds()
    return max(math.ceil(min(seconds / PEAKS, _LONGEST) * wav.rate), 1)


def waveform(measured: Iterable[str]) -> bytes:
    """At most `PEAKS` peaks, 255 is full scale, of the lines that ffmpeg wrote; what is no measure is left out."""
    levels = [found["level"] for line in measured if (found := _MEASURED.match(line))]
    return bytes(round(255 * max(some)) for some in _together([_amplitude(level) for level in levels]))


def _amplitude(level: str) -> float:
    try:
        decibels = float(level)
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(decibels) else 10 ** (min(decibels, 0.0) / 20)


def _together(amplitudes: Sequence[float]) -> list[Sequence[float]]:
    size = math.ceil(len(amplitudes) / PEAKS) or 1
    return [amplitudes[start : start + size] for start in range(0, len(amplitudes), size)]
