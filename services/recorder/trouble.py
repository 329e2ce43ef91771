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
        self._next_try: datetime | None = None

    def failed(self, sentence: str, *, retry_after: timedelta | None = None) -> None:
        """It failed; `sentence` says what, and what to do. Failures of users who asked together count once."""
        now = self._clock()
        self._health.problem(self._check, sentence)
        if self._since is None:
            self._since = now
            log.warning("recorder.trouble_began", extra={"check": self._check, "problem": sentence})
        if self._next_try is None or now >= self._next_try:
            self._failures += 1
            pause = backoff(self._failures, base=_BASE, cap=_CAP, jitter=0.0)
            self._next_try = now + max(pause, retry_after or pause)

    def succeeded(self) -> None:
        """It works."""
        if self._since is None:
            return
        outage = (self._clock() - self._since).total_seconds()
        log.info("recorder.trouble_ended", extra={"check": self._check, "outage_seconds": round(outage, 3)})
        self._health.solved(self._check)
        self._failures, self._since, self._next_try = 0, None, None

    @property
    def is_resting(self) -> bool:
        """True while it should not be tried again yet."""
        return self._next_try is not None and self._clock() < self._next_try

    async def pause(self) -> None:
        """Wait until it may be tried again."""
        left = self._next_try - self._clock() if self._next_try is not None else timedelta()
        if left > timedelta():
            await asyncio.sleep(left.total_seconds())
