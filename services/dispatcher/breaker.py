"""The breaker: stops trying an endpoint that mostly fails, and probes it until it answers again. Pure.

Theory of operation. Closed, it counts attempts of the last five minutes in slices, so memory is bounded. Enough of them
and too many failed: it opens and forgets the counts. Open, one probe at a time may go, each an interval after the one
before; a probe that succeeds closes it. Attempts that were under way when it opened change nothing any more. Where
several dispatchers tell each other about an endpoint, what another one found out opens and closes it too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

SLICES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """It opens when at least `least_attempts` of a `window` were made and at least `failed_share` of them failed."""

    window: timedelta = timedelta(minutes=5)
    least_attempts: int = 10
    failed_share: float = 0.7
    probe_interval: timedelta = timedelta(seconds=30)


USUAL_RULES = BreakerRules()


class BreakerChange(StrEnum):
    """What an attempt did to the breaker."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(slots=True)
class _Slice:
    begins_at: datetime
    attempts: int = 0
    failed: int = 0


class Breaker:
    """One endpoint's."""

    def __init__(self, rules: BreakerRules = USUAL_RULES) -> None:
        self._rules = rules
        self.probe_interval = rules.probe_interval
        self._slices: deque[_Slice] = deque()
        self._opened_at: datetime | None = None
        self._probe_at: datetime | None = None

    @property
    def opened_at(self) -> datetime | None:
        """Since when it is open; None while it is closed."""
        return self._opened_at

    @property
    def probe_at(self) -> datetime | None:
        """From when on a probe may start; None while it is closed."""
        return self._probe_at

    def probing(self, *, now: datetime) -> None:
        """A probe starts."""
        self._probe_at = now + self._rules.probe_interval

    def attempted(self, *, succeeded: bool, now: datetime, is_probe: bool = False) -> BreakerChange | None:
        """Take note of an attempt's result."""
        if self._opened_at is not None:
            return self._probed(succeeded=succeeded, now=now) if is_probe else None
        counts = self._slice(now)
        counts.attempts += 1
        if succeeded:
            return None
        counts.failed += 1
        attempts = sum(each.attempts for each in self._slices)
        failed = sum(each.failed for each in self._slices)
        if attempts < self._rules.least_attempts or failed < self._rules.failed_share * attempts:
            return None
        self._slices.clear()
        self._opened_at, self._probe_at = now, now + self._rules.probe_interval
        return BreakerChange.OPENED

    def open(self, at: datetime, *, probe_at: datetime) -> None:
        """It is open since then, as another dispatcher found out, and the next probe may start then."""
        self._slices.clear()
        self._opened_at, self._probe_at = at, probe_at

    def postpone_probe(self, until: datetime) -> None:
        """Somebody else probes; ask again then."""
        if self._opened_at is not None:
            self._probe_at = until

    def reset(self) -> None:
        """Close it and forget what was counted: an operator knows better."""
        self._slices.clear()
        self._opened_at = self._probe_at = None

    def _probed(self, *, succeeded: bool, now: datetime) -> BreakerChange | None:
        if not succeeded:
            self._probe_at = now + self._rules.probe_interval
            return None
        self.reset()
        return BreakerChange.CLOSED

    def _slice(self, now: datetime) -> _Slice:
        """The slice of this moment, after those that are older than the window are gone."""
        # A clock that was set back leaves slices in the future: they tell nothing about now.
        while self._slices and not now - self._rules.window < self._slices[0].begins_at <= now:
            self._slices.popleft()
        if not self._slices or now - self._slices[-1].begins_at >= self._rules.window / SLICES:
            self._slices.append(_Slice(now))
        return self._slices[-1]
