"""The time of the scenarios: it can be stopped, and then no call makes a step.

Only waits are affected. Times that the PBX tells (StartTime, ServerNow) are always those of the real clock.
"""

from __future__ import annotations

import asyncio
import time


def epoch_now() -> float:
    """Seconds since 1970, UTC, in whole microseconds: a time that the PBX tells is the one it compares with."""
    return round(time.time(), 6)


class Clock:
    """Waits in scenario time."""

    def __init__(self) -> None:
        self._running = asyncio.Event()
        self._running.set()
        self._lost = 0.0
        self._stopped_at: float | None = None

    @property
    def paused(self) -> bool:
        return self._stopped_at is not None

    def pause(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self._running.clear()

    def resume(self) -> None:
        if self._stopped_at is not None:
            self._lost += time.monotonic() - self._stopped_at
            self._stopped_at = None
            self._running.set()

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds in which the clock was running."""
        deadline = self._elapsed() + seconds
        while True:
            await asyncio.sleep(max(deadline - self._elapsed(), 0.0))
            if not self.paused and self._elapsed() >= deadline:
                return
            await self._running.wait()  # until resume(): a stopped PBX may stay stopped for ever

    def _elapsed(self) -> float:
        return (self._stopped_at or time.monotonic()) - self._lost
