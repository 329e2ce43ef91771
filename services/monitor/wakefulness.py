"""Notices that this process stood still: a machine that slept, was paused or had no time for us followed nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from switchhook.errors import PbxUnreachable

if TYPE_CHECKING:
    from datetime import datetime

    from switchhook.runtime.clock import Clock

_LOOK_EVERY = 5.0  # seconds
_LONGEST = timedelta(seconds=15)
"""Of a standstill that does not matter: a gap reaches back further behind the moment in which it is noticed."""


class Wakefulness:
    """By the wall clock, which goes on while a machine sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen_at = clock()

    @property
    def awake_until(self) -> datetime:
        """Now; or, after a standstill, a moment before it."""
        now = self._clock()
        return now if now - self._seen_at <= _LONGEST else self._seen_at

    async def run(self) -> NoReturn:
        """Raises `PbxUnreachable` after a standstill: what the websocket still has may not be all that it had."""
        while True:
            self._seen_at = self._clock()
            await asyncio.sleep(_LOOK_EVERY)
            if (stood := self._clock() - self._seen_at) > _LONGEST:
                raise PbxUnreachable(f"nobody followed it: this process stood still for {stood.total_seconds():.0f} s")
