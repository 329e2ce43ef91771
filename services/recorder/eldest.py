"""What one of several recorders does for all: the one whose number is the lowest of the living.

It needs no table of its own. A number is never given again, so whoever comes is younger; who has lost the lease knows
it a second before the others see that it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.storage.lease import NOW

if TYPE_CHECKING:
    from services.recorder.fence import Fence
    from switchhook.storage import Database

_LOWEST = f"SELECT MIN(number) FROM replicas WHERE expires_at > {NOW}"  # noqa: S608 - a constant


class Eldest:
    """One recorder's view."""

    def __init__(self, database: Database, fence: Fence) -> None:
        self._database = database
        self._fence = fence

    async def is_here(self) -> bool:
        """True where this recorder is the eldest, or alone. Raises `StorageError`."""
        if not self._fence.is_shared:
            return True
        [(lowest,)] = await self._database.read(_LOWEST)
        self._fence.demand()
        return bool(lowest == self._fence.number)
