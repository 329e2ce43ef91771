"""Figures as people read them, in Grafana's units, and the round values that an axis shows."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"), (0.000001, "µs"))
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_SUFFIXES = {"reqps": " req/s", "cpm": " /min", "ops": " op/s"}


def readable(value: float, unit: str) -> str:
    """A value with its unit."""
    match unit:
        case "s":
            return _scaled(value, _TIMES) if value else "0 s"
        case "bytes":
            return _scaled(value, _BYTES)
        case "percentunit":
            return f"{_plain(value * 100)} %"
        case _:
            return _plain(value) + _SUFFIXES.get(unit, "")


def ticks(highest: float, unit: str, *, most: int = 5) -> list[float]:
    """Values from 0 to at least the highest one that are round in this unit."""
    if highest <= 0 or not math.isfinite(highest):
        return [0.0, 1.0]
    scale = _BYTES if unit == "bytes" else _TIMES[:4] if unit == "s" else ()
    factor = next((factor for factor, _ in scale if highest >= factor), 1.0)
    return [value * factor for value in _round(highest / factor, most)]


def _round(highest: float, most: int) -> list[float]:
    rough = highest / most
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(each * magnitude for each in _STEPS if each * magnitude >= rough * 0.999)
    count = math.ceil(highest / step - 1e-9)
    return [place * step for place in range(count + 1)]


def moment(at: float) -> str:
    """The time of day, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _scaled(value: float, scale: tuple[tuple[float, str], ...]) -> str:
    size = abs(value)
    factor, name = next(((factor, name) for factor, name in scale if size >= factor), scale[-1])
    return f"{_plain(value / factor)} {name}"


def _plain(value: float) -> str:
    if value == 0:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0) if abs(value) < 100 else 0
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
