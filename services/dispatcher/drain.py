"""The drain: how fast a backlog goes out after an outage, so that the endpoint bears it. Pure.

The rate begins low and grows with every success, by half an attempt a second until the first failure and then by ten
a second each second; a failure halves it. Attempts that began before the last halving do not halve it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dispatcher.token_bucket import TokenBucket

if TYPE_CHECKING:
    from datetime import datetime, timedelta

FIRST_RATE = 10.0  # attempts a second, like all rates here
LEAST_RATE = 1.0
MOST_RATE = 1_000.0  # more would take the processor from other endpoints
QUICK_GROWTH = 0.5  # for each success
STEADY_GROWTH = 10.0  # for each second of successes


class Drain:
    """Of one backlog."""

    def __init__(self, *, now: datetime) -> None:
        self._bucket = TokenBucket(FIRST_RATE, now=now)
        self._halved_at: datetime | None = None

    @property
    def rate(self) -> float:
        """Attempts a second at this moment."""
        return self._bucket.rate

    def wait(self, now: datetime) -> timedelta:
        """How long until the backlog's next attempt may start."""
        return self._bucket.wait(now)

    def take(self, now: datetime) -> None:
        """An attempt of the backlog starts."""
        self._bucket.take(now)

    def succeeded(self, *, now: datetime) -> None:
        """An attempt arrived."""
        growth = QUICK_GROWTH if self._halved_at is None else STEADY_GROWTH / self.rate
        self._bucket.change(min(self.rate + growth, MOST_RATE), now=now)

    def failed(self, *, started_at: datetime, now: datetime) -> None:
        """An attempt failed that had started then."""
        if self._halved_at is not None and started_at < self._halved_at:
            return
        self._halved_at = now
        self._bucket.change(max(self.rate / 2, LEAST_RATE), now=now)
