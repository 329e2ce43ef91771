"""Times and lengths as the tables hold them: whole microseconds, since 1970 where they are times. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(when: datetime) -> int:
    """A time as it is stored."""
    return (when - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """A stored time."""
    return _EPOCH + stored * _MICROSECOND


def length_micros(length: timedelta) -> int:
    """A length as it is stored."""
    return length // _MICROSECOND


def stored_length(stored: int) -> timedelta:
    """A stored length."""
    return stored * _MICROSECOND
