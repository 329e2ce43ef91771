"""How soon a question may be asked again that has failed, or that took long; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.runtime.backoff import backoff

if TYPE_CHECKING:
    from datetime import datetime

_FIRST_PAUSE = timedelta(milliseconds=100)
"""A call without legs waits for its answer; what fails for a moment must not make its end a guess."""
_LONGEST_PAUSE = timedelta(seconds=30)


_SHARE = 100
_MOST_STRETCHED = 4


def stretched(interval: timedelta, took: timedelta) -> timedelta:
    """The interval of a regular question, longer (up to four times) where the answer takes more than 1 % of it.

    So a PBX with twenty thousand legs, or one that is slow, is looked through less often, and frames wait less often.
    """
    return min(max(interval, took * _SHARE), interval * _MOST_STRETCHED)


class Pace:
    """Of one kind of question to one PBX."""

    def __init__(self) -> None:
        self._attempts = 0
        self._rest: tuple[datetime, datetime] | None = None

    @property
    def is_failing(self) -> bool:
        """True from a failure until an answer."""
        return self._attempts > 0

    def is_due(self, now: datetime) -> bool:
        """False while the question would be a burden without hope; a clock that was set back makes no rest longer."""
        return self._rest is None or not self._rest[0] <= now < self._rest[1]

    def answered(self) -> None:
        """It may be asked whenever there is a reason."""
        self._attempts, self._rest = 0, None

    def failed(self, now: datetime, *, at_least: timedelta, jitter: float) -> None:
        """It may be asked after a while, longer each time, but `at_least` so long; `jitter` is a share of it."""
        self._attempts += 1
        pause = backoff(self._attempts, base=_FIRST_PAUSE, cap=_LONGEST_PAUSE, jitter=jitter)
        self._rest = now, now + max(pause, at_least)
