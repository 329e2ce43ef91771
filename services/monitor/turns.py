"""Turns in which many PBXs are connected to: a few at a time, so that neither a start nor the return of a network is a
storm. A turn ends by itself after a while: a PBX that hangs does not keep the others waiting."""

from __future__ import annotations

import asyncio

AT_ONCE = 32
LONGEST = 1.0  # seconds; a PBX in order needs a tenth


class Turn:
    """Made by `Turns.take`."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places
        self._timer = asyncio.get_running_loop().call_later(LONGEST, self.end)

    def end(self) -> None:
        """The next one's turn; once is enough."""
        self._timer.cancel()
        if self._places is not None:
            self._places.release()
            self._places = None


class Turns:
    """For all PBXs of a process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def take(self) -> Turn:
        """Wait for a place. No timeout: each turn ends by itself."""
        await self._places.acquire()
        return Turn(self._places)
