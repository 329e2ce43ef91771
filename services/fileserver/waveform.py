"""A recording's waveform as a path in SVG, 1000 wide and 100 high. Pure."""

from __future__ import annotations

WIDTH, HEIGHT = 1000, 100
_LEAST = 3.0  # so that silence is seen too
_PLAIN = b"\0"


def drawn(waveform: bytes) -> str:
    """The path: one line for each peak, the highest from top to bottom; of none, one that is as wide as all."""
    peaks = waveform or _PLAIN
    step, highest = WIDTH / len(peaks), max(*peaks, 1)
    lines = []
    for place, peak in enumerate(peaks):
        height = max(HEIGHT * peak / highest, _LEAST)
        left, right = place * step, (place + (0.7 if waveform else 1.0)) * step
        top, bottom = (HEIGHT - height) / 2, (HEIGHT + height) / 2
        lines.append(f"M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}z")
    return "".join(lines)
