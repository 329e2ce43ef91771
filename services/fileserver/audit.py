"""Keeps who listened to what: a row for every download, written a few at a time and forgotten after the retention.

A download is not held up by its row. Rows that the database does not take wait, up to a bound; what is beyond it is
counted and stands in the log only, which has a line for every download.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.fileserver.register import Listen, Register
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth

log = logging.getLogger(__name__)

_MOST_WAITING = 20_000
_BATCH = 200  # rows of one unit
_GATHER = 0.02  # seconds in which rows come together
_PAUSE = 1.0  # seconds before the database is asked again
_FORGET_EVERY = timedelta(hours=1)
_CHECK = "audit"


class Audit:
    """Run `run` in a task, and `flush` at the end. `lost` is called for each row that cannot be kept."""

    def __init__(
        self, register: Register, *, retention: timedelta, health: ServiceHealth, lost: Callable[[], None], clock: Clock
    ) -> None:
        self._register = register
        self._retention = retention
        self._health = health
        self._lost = lost
        self._clock = clock
        self._waiting: list[Listen] = []
        self._stirred = asyncio.Event()
        self._is_refused = False
        self._under_way: tuple[asyncio.Task[None], int] | None = None

    def note(self, listen: Listen) -> None:
        """A download is over."""
        if len(self._waiting) >= _MOST_WAITING:
            self._lost()
            return
        self._waiting.append(listen)
        self._stirred.set()

    async def run(self) -> None:
        """Write and forget until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._forget())

    async def flush(self) -> None:
        """Write all that waits, or say how much is lost."""
        while self._waiting:
            if not await self._write_batch():
                log.warning("audit.lost", extra={"listens": len(self._waiting)})
                return

    async def _write(self) -> None:
        while True:
            await self._stirred.wait()
            await asyncio.sleep(_GATHER)
            self._stirred.clear()
            while self._waiting:
                if not await self._write_batch():
                    await asyncio.sleep(_PAUSE)

    async def _write_batch(self) -> bool:
        if self._under_way is None:
            batch = self._waiting[:_BATCH]
            self._under_way = asyncio.create_task(self._register.note(batch)), len(batch)
        unit, count = self._under_way
        try:
            # A unit goes on when `run` is cancelled, and `flush` waits for it: no row is written twice.
            await asyncio.shield(unit)
        except StorageError as error:
            self._under_way = None
            if not self._is_refused:
                log.warning("audit.refused", extra={"reason": str(error)})
            self._is_refused = True
            self._health.problem(_CHECK, f"who listens cannot be kept: {error}")
            return False
        self._under_way = None
        del self._waiting[:count]
        if self._is_refused:
            log.info("audit.restored")
            self._health.solved(_CHECK)
        self._is_refused = False
        return True

    async def _forget(self) -> None:
        while True:
            try:
                await self._forget_all(before=self._clock() - self._retention)
            except StorageError as error:
                log.warning("audit.not_purged", extra={"reason": str(error)})
            await asyncio.sleep(_FORGET_EVERY.total_seconds())

    async def _forget_all(self, *, before: datetime) -> None:
        has_more = True
        while has_more:
            has_more = await self._register.forget_listens(before=before, limit=_BATCH)
            await asyncio.sleep(_GATHER)  # new rows come first
