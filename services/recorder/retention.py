"""Deletes MP3 files whose time is over, once a day, and forgets calls that nothing is left of."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError

if TYPE_CHECKING:
    from services.recorder.catalog import Catalog
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.store import Store
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

_BATCH = 500


def next_purge(now: datetime, purge_at: time) -> datetime:
    """The next time (naive, local like `now`) at which the clock on the wall shows `purge_at`."""
    today = datetime.combine(now.date(), purge_at)
    return today if today > now else today + timedelta(days=1)


class Retention:
    """The daily purge of one recorder."""

    def __init__(
        self, catalog: Catalog, store: Store, metrics: RecorderMetrics, *, retention: timedelta, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._metrics = metrics
        self._retention = retention
        self._clock = clock

    async def run(self, purge_at: time) -> None:
        """Purge every day at that local time, until cancelled."""
        while True:
            now = self._clock()
            local = now.astimezone().replace(tzinfo=None)
            # Back through the local zone, so that the hour is right on the days when clocks are changed.
            due = next_purge(local, purge_at).astimezone().astimezone(UTC)
            await asyncio.sleep(max((due - now).total_seconds(), 1.0))
            try:
                await self.purge()
            except (StorageError, OSError) as error:
                log.exception("recordings.not_purged", extra={"problem": str(error)})

    async def purge(self) -> int:
        """Delete what is over now; gives the number of files. Raises `StorageError` or OSError."""
        now, deleted = self._clock(), 0
        while expired := await self._catalog.expired(now=now, limit=_BATCH):
            for file in expired:
                await asyncio.to_thread(self._store.delete, file.pbx, file.name)
            await self._catalog.forget_files(expired, at=now)
            deleted += len(expired)
            self._metrics.purged.inc(len(expired))
        await self._catalog.forget_calls(accepted_before=now - self._retention)
        log.info("recordings.purged", extra={"files": deleted})
        return deleted
