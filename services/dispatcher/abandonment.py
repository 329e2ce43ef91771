"""Abandonment: at the start, deliveries for endpoints that are not configured any more are given up, and that is told.

In portions, each of them one unit with the own event that names its calls: a process that is killed in between goes on
with what is left at its next start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import CallKey
from services.dispatcher.outcome import ADVICE_BY_REASON, Reason
from services.dispatcher.own_events import Abandoned
from switchhook.events import EventId
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from services.dispatcher.own_events import OwnEvents
    from switchhook.runtime.clock import Clock
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

AT_ONCE = 500  # deliveries, and so many calls at most that one own event names

# Lane by lane, as an index has them: one own event names whole calls.
_PENDING = """
SELECT event, id, deliveries.call FROM deliveries JOIN events ON number = event
WHERE endpoint = ? AND status = 'pending' ORDER BY endpoint, deliveries.call, deliveries.sequence LIMIT ?"""

_ABANDON = f"""
UPDATE deliveries SET status = 'dead', due_at = NULL, owner = 0, reason = ?, settled_at = ?
WHERE endpoint = ? AND event IN ({", ".join("?" * AT_ONCE)}) AND status || '' = 'pending'
RETURNING event"""  # noqa: S608 - placeholders only


class Abandonment:
    """Everything raises `StorageError`."""

    def __init__(self, database: Database, *, own_events: OwnEvents, clock: Clock) -> None:
        self._database = database
        self._own_events = own_events
        self._clock = clock

    async def run(self, endpoint: str) -> int:
        """Give up everything that is pending for the endpoint; how many deliveries it was."""
        reason, count = Reason.ENDPOINT_REMOVED, 0
        while pending := await self._pending(endpoint):
            now = self._clock()
            told = self._own_events.abandoned(endpoint, reason, pending, at=now)
            numbers = [each.event for each in pending]
            numbers += numbers[:1] * (AT_ONCE - len(numbers))  # so that there is one statement to prepare
            abandon = Statement(_ABANDON, (reason.value, micros(now), endpoint, *numbers))
            abandoned, *_ = await self._database.write([abandon, *told])
            count += len(abandoned)
        if count:
            facts = {"endpoint": endpoint, "deliveries": count, "advice": ADVICE_BY_REASON[reason]}
            log.warning("deliveries.abandoned", extra=facts)
        return count

    async def _pending(self, endpoint: str) -> list[Abandoned]:
        rows = await self._database.read(_PENDING, (endpoint, AT_ONCE))
        return [Abandoned(event=event, event_id=EventId(id_), call=CallKey(call)) for event, id_, call in rows]
