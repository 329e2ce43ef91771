"""How long to wait before the next attempt; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

_MOST_DOUBLINGS = 30  # beyond it any cap is reached, and a number must not overflow


def backoff(attempt: int, *, base: timedelta, cap: timedelta, jitter: float) -> timedelta:
    """`base` before attempt 1, doubled for each further one up to `cap`, then stretched by `jitter` (0.1: 10 % more).

    `jitter` is a random number that the caller draws, between -1 and 1.
    """
    delay = min(cap, base * (1 << min(max(attempt - 1, 0), _MOST_DOUBLINGS)))
    return delay * (1 + jitter)
