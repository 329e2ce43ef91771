"""A bucket of tokens that fills at a rate: what holds an endpoint's attempts to so many a second. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

BURST = 0.1  # seconds' worth of tokens that may be saved; one token at least
ENOUGH = 1 - 1e-9  # of a token: sums of small numbers are not exact


class TokenBucket:
    """Full at first. `rate` is tokens a second."""

    def __init__(self, rate: float, *, now: datetime) -> None:
        self._rate = rate
        self._tokens = self._most
        self._at = now

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._rate

    def change(self, rate: float, *, now: datetime) -> None:
        """Fill at another rate from now on."""
        self._fill(now)
        self._rate = rate
        self._tokens = min(self._tokens, self._most)

    def wait(self, now: datetime) -> timedelta:
        """How long until there is a token; nothing when there is one."""
        self._fill(now)
        missing = 1 - self._tokens
        return timedelta(0) if self._tokens >= ENOUGH else timedelta(microseconds=int(missing / self._rate * 1e6) + 1)

    def take(self, now: datetime) -> None:
        """Use a token up. One that is not there yet is owed."""
        self._fill(now)
        self._tokens -= 1

    @property
    def _most(self) -> float:
        return max(1.0, self._rate * BURST)

    def _fill(self, now: datetime) -> None:
        # A clock that is set back must not stop the filling for as long.
        elapsed = max((now - self._at).total_seconds(), 0.0)
        self._at = now
        self._tokens = min(self._tokens + elapsed * self._rate, self._most)
