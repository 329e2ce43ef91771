"""Times as the tables hold them: whole microseconds since 1970. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(when: datetime) -> int:
    """A time as it is stored."""
    return (when - EPOCH) // MICROSECOND


def moment(stored: int) -> datetime:
    """A stored time."""
    return EPOCH + timedelta(microseconds=stored)
