"""Durations as people write them: `200ms`, `5s`, `10m`, `2h`, `30d`.

Owns the two directions between that text and `timedelta`, moments that are told by it, and the field types made of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
LONGEST = timedelta(days=36500)  # a century: longer ones only overflow dates
_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")


def parse_duration(written: object) -> timedelta:
    """The duration that a text such as `5s` means; raises ValueError with a sentence that says how to write one."""
    if isinstance(written, timedelta):
        return written
    match = _WRITTEN.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise ValueError('must be a duration in quotes, a number with ms, s, m, h or d, such as "5s"')
    try:
        duration = float(match[1]) * UNITS[match[2]]
    except OverflowError:
        duration = timedelta.max
    if duration > LONGEST:
        raise ValueError("must be at most 36500d")
    return duration


def parse_moment(written: str, now: datetime) -> datetime:
    """The moment that `2h` (ago) or `2026-03-07T12:00:00Z` means, in UTC; raises ValueError with a sentence."""
    try:
        return now - parse_duration(written)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(written)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError('write how long ago, such as "2h", or a time, such as "2026-03-07T12:00:00Z"') from None


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads as this duration, to the millisecond."""
    for unit in ("d", "h", "m", "s"):
        if duration and duration % UNITS[unit] == timedelta(0):
            return f"{duration // UNITS[unit]}{unit}"
    return f"{duration // UNITS['ms']}ms" if duration else "0s"


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0s")
    return duration


def _deadline(written: object) -> timedelta | None:
    return None if written is None or written == "never" else _positive(parse_duration(written))


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_positive)]
DurationOrZero = Annotated[timedelta, BeforeValidator(parse_duration)]
# None is written `never`.
Deadline = Annotated[timedelta | None, BeforeValidator(_deadline)]
