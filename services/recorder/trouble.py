"""Something outside that fails for a while: said once when it begins and once when it ends, asked again ever later."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.runtime.backoff import backoff

if TYPE_CHECKING:
    from datetime import datetime

    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import Complaints

log = logging.getLogger(__name__)

_BASE = timedelta(milliseconds=500)
_CAP = timedelta(seconds=30)


class Trouble:
    """One thing that can fail, shared by all who use it; `check` names it in health."""

    def __init__(self, check: str, *, health: Complaints, clock: Clock) -> None:
        self._check = check
        self._health = health
        self._clock = clock
        self._failures = 0
        self._since: datetime | None = None
        self._failed_at: datetime | None = None
        self._pause = timedelta()

    def failed(self, sentence: str, *, retry_after: timedelta | None = None) -> None:
        """It failed; `sentence` says what, and what to do. Failures of users who asked together count once."""
        now = self._clock()
        self._health.problem(self._check, sentence)
        if self._since is None:
            self._since = now
            log.warning("recorder.trouble_began", extra={"check": self._check, "problem": sentence})
        if not self.is_resting:
            self._failures += 1
            pause = backoff(self._failures, base=_BASE, cap=_CAP, jitter=0.0)
            self._failed_at, self._pause = now, max(pause, retry_after or pause)

    def succeeded(self) -> None:
        """It works."""
        if self._since is None:
            return
        outage = (self._clock() - self._since).total_seconds()
        log.info("recorder.trouble_ended", extra={"check": self._check, "outage_seconds": round(outage, 3)})
        self._health.solved(self._check)
        self._failures, self._since, self._failed_at = 0, None, None

    @property
    def rest(self) -> timedelta:
        """How long it should not be tried; a clock that was set back ends it, or it might last for days."""
        if self._failed_at is None or (passed := self._clock() - self._failed_at) < timedelta():
            return timedelta()
        return max(self._pause - passed, timedelta())

    @property
    def is_resting(self) -> bool:
        """True while it should not be tried again yet."""
        return self.rest > timedelta()

    async def pause(self) -> None:
        """Wait until it may be tried again."""
        if self.is_resting:
            await asyncio.sleep(self.rest.total_seconds())
