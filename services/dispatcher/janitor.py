"""The janitor: removes what was finished long ago, in small batches, and looks how long the first has been due."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError

if TYPE_CHECKING:
    from services.dispatcher.deliveries import Deliveries
    from services.dispatcher.kept_events import KeptEvents
    from services.dispatcher.metrics import DispatcherMetrics
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_INTERVAL = timedelta(seconds=15)
PURGE_INTERVAL = timedelta(minutes=10)
BATCH = 50  # events, with their deliveries and attempts
PAUSE = timedelta(milliseconds=50)  # between batches: deliveries under way come first


class Janitor:
    """Run `run` in a task. `retention` is how long a finished delivery stays visible."""

    def __init__(
        self,
        events: KeptEvents,
        *,
        deliveries: Deliveries,
        metrics: DispatcherMetrics,
        retention: timedelta,
        clock: Clock,
    ) -> None:
        self._events = events
        self._deliveries = deliveries
        self._metrics = metrics
        self._retention = retention
        self._clock = clock

    async def run(self) -> None:
        """Look and purge until cancelled."""
        loop = asyncio.get_running_loop()
        purge_at = loop.time()
        while True:
            try:
                await self.look()
                if loop.time() >= purge_at:
                    purge_at = loop.time() + PURGE_INTERVAL.total_seconds()
                    await self.purge()
            except StorageError as error:
                log.warning("janitor.stopped", extra={"error": str(error)})
            await asyncio.sleep(LOOK_INTERVAL.total_seconds())

    async def look(self) -> None:
        """Bring the gauges that the table knows best up to date. Raises `StorageError`."""
        for endpoint, metrics in self._metrics.by_endpoint.items():
            due_at = await self._deliveries.oldest_due_at(endpoint)
            metrics.oldest_due_age.set(0 if due_at is None else max((self._clock() - due_at).total_seconds(), 0))
        self._metrics.held.set(await self._events.held_count())
        if self._events.is_shared:
            # What others accept and deliver is not counted here.
            pending = await self._deliveries.pending()
            for endpoint, metrics in self._metrics.by_endpoint.items():
                metrics.pending.set(pending.get(endpoint, 0))

    async def purge(self) -> int:
        """Remove what was finished before the retention began; how many events. Raises `StorageError`."""
        before = self._clock() - self._retention
        removed = after_event = 0
        while True:
            purged = await self._events.purge(before=before, after_event=after_event, limit=BATCH)
            removed, after_event = removed + purged.count, purged.last_event
            if purged.is_last:
                break
            await asyncio.sleep(PAUSE.total_seconds())
        if removed:
            log.info("deliveries.purged", extra={"events": removed})
        return removed
