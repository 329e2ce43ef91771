"""A GSM 6.10 encoder that is just enough for tones, in Microsoft's WAV49 packing.

It uses neither the short-term nor the long-term prediction (their parameters are set to "none"), only the grid of
excitation pulses: every third sample, quantised to three bits. Any GSM decoder plays the result; speech would suffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAME_SAMPLES = 160
BLOCK_BYTES = 65
"""Of two frames."""

_SUBFRAMES = 4
_SUBFRAME_SAMPLES = 40
_PULSES = 13
_NO_REFLECTION = ((32, 6), (32, 6), (20, 5), (11, 5), (8, 4), (4, 4), (3, 3), (2, 3))
"""Log area ratios (value, bits) that mean: no short-term prediction."""
_LAG = 40
_LEVELS = 8


def encode(samples: Sequence[int]) -> bytes:
    """From 16-bit samples at 8 kHz to blocks of two frames; an unfinished block is left out."""
    blocks = []
    step = 2 * FRAME_SAMPLES
    for start in range(0, len(samples) - step + 1, step):
        bits = 0
        size = 0
        for value, width in _frame(samples[start : start + step]):
            bits |= value << size
            size += width
        blocks.append(bits.to_bytes(BLOCK_BYTES, "little"))
    return b"".join(blocks)


def _frame(samples: Sequence[int]) -> list[tuple[int, int]]:
    fields: list[tuple[int, int]] = []
    for start in range(0, len(samples), FRAME_SAMPLES):
        fields.extend(_NO_REFLECTION)
        for number in range(_SUBFRAMES):
            begin = start + number * _SUBFRAME_SAMPLES
            fields.extend(_subframe(samples[begin : begin + _SUBFRAME_SAMPLES]))
    return fields


def _subframe(samples: Sequence[int]) -> list[tuple[int, int]]:
    pulses = [samples[3 * place] >> 1 for place in range(_PULSES)]
    peak = _peak_code(max(abs(pulse) for pulse in pulses))
    height = max(_peak_value(peak), 1)
    codes = [min(max((pulse * 4 // height) + 4, 0), _LEVELS - 1) for pulse in pulses]
    return [(_LAG, 7), (0, 2), (0, 2), (peak, 6), *((code, 3) for code in codes)]


def _peak_code(peak: int) -> int:
    """The smallest of the 64 logarithmic steps that reaches the peak."""
    return next((code for code in range(64) if _peak_value(code) >= peak), 63)


def _peak_value(code: int) -> int:
    exponent, mantissa = (code >> 3) - 1, code & 7
    if code <= 15:  # noqa: PLR2004 - the linear part of the scale
        return (code << 5) + 31
    return ((mantissa + 8) << (exponent + 5)) + (1 << (exponent + 5)) - 1
