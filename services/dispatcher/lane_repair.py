"""Lane repair: gives a head to lanes that lost theirs between two dispatchers on one database.

One adds a delivery behind a head whose end another one is just committing: neither sees the other, and the lane has no
head. So whoever finished a lane, or added to one, has it looked at once more after the commit; the later of the two
looks sees both. What a killed process owed is found by a look at the whole table: at the start, when one is dead, and
every minute.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from services.dispatcher.arrivals import CallKey
    from switchhook.runtime.clock import Clock
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(milliseconds=50)
LOOK_AT_ALL_EVERY = timedelta(minutes=1)
LANES_AT_ONCE = 1_000

# Asked of PostgreSQL only. A lane whose head is there stays as it is, also when an earlier delivery came late.
_REPAIR = """
UPDATE deliveries SET due_at = ?
FROM (SELECT DISTINCT ON (endpoint, call) endpoint, call, event
      FROM deliveries JOIN unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[])) AS lane (endpoint, call) USING (endpoint, call)
      WHERE status = 'pending'
      ORDER BY endpoint, call, sequence, event) AS first
WHERE deliveries.event = first.event AND deliveries.endpoint = first.endpoint
  AND deliveries.status || '' = 'pending' AND deliveries.due_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries AS head WHERE head.endpoint = first.endpoint AND head.call = first.call
                  AND head.status = 'pending' AND head.due_at + 0 IS NOT NULL)
RETURNING deliveries.endpoint"""
_HEADLESS = """
SELECT DISTINCT endpoint, call FROM deliveries
WHERE status = 'pending' AND due_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries AS head WHERE head.endpoint = deliveries.endpoint
                  AND head.call = deliveries.call AND head.status = 'pending' AND head.due_at + 0 IS NOT NULL)
LIMIT ?"""

Lane = tuple[str, "CallKey"]


class LaneRepair:
    """One dispatcher's; does nothing where the database is not shared."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._doubtful: set[Lane] = set()
        self._look_at_all_at = 0.0

    def doubt(self, endpoint: str, call: CallKey) -> None:
        """The lane was added to behind a head, or its last delivery was finished; this is committed."""
        if self._database.is_shared:
            self._doubtful.add((endpoint, call))

    def doubt_all(self) -> None:
        """A dispatcher is dead: look at the whole table soon."""
        self._look_at_all_at = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while self._database.is_shared:
            try:
                if loop.time() >= self._look_at_all_at:
                    self._doubtful.update(await self._headless())
                    self._look_at_all_at = loop.time() + LOOK_AT_ALL_EVERY.total_seconds()
                await self.look()
            except StorageError as error:
                log.warning("lanes.unrepaired", extra={"error": str(error)})
            await asyncio.sleep(LOOK_EVERY.total_seconds())
        await asyncio.Event().wait()

    async def look(self) -> int:
        """Give the doubtful lanes heads; how many needed one. Raises `StorageError`; then they are still doubtful."""
        repaired = 0
        while self._doubtful:
            lanes = [self._doubtful.pop() for _ in range(min(len(self._doubtful), LANES_AT_ONCE))]
            endpoints, calls = [endpoint for endpoint, _ in lanes], [str(call) for _, call in lanes]
            try:
                unit = [Statement(_REPAIR, (micros(self._clock()), endpoints, calls))]
                repaired += len((await self._database.write(unit))[0])
            except BaseException:
                self._doubtful.update(lanes)
                raise
        if repaired:
            log.info("lanes.repaired", extra={"lanes": repaired})
        return repaired

    async def _headless(self) -> list[Lane]:
        return [(endpoint, call) for endpoint, call in await self._database.read(_HEADLESS, (LANES_AT_ONCE,))]
