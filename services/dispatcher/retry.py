"""When a delivery is tried again: pure arithmetic, with the time and the jitter as arguments.

The schedule holds the delays between attempts. An overloaded endpoint is left alone for a minute at least. What an
endpoint asks for with `Retry-After` is followed between the delay and twice the delay: never sooner, never much later.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERLOAD_DELAY = timedelta(seconds=60)
LONGEST_ASKED = timedelta(days=365)


def next_attempt_at(
    schedule: Sequence[timedelta],
    *,
    attempt: int,
    now: datetime,
    jitter: float,
    overloaded: bool = False,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """The time of the attempt after attempt number `attempt` (from 1), or None when the schedule is exhausted.

    `jitter` is the share of the delay that is added, in [-1, 1]; it never shortens what overload or the endpoint
    itself asked for.
    """
    if attempt > len(schedule):
        return None
    base = schedule[attempt - 1]
    if overloaded:
        base = max(base, OVERLOAD_DELAY)
    delay = base * (1 + jitter)
    if overloaded:
        delay = max(delay, OVERLOAD_DELAY)
    if retry_after is not None:
        asked = min(max(retry_after, base), 2 * base)
        delay = min(max(delay, asked), 2 * base)
    return now + delay


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """The pause that a `Retry-After` header asks for: seconds or an HTTP date; None for anything else."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_ASKED)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_ASKED)
