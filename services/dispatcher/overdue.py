"""Deliveries whose deadline has passed: their SQL. They end as `expired`, and what waited behind them goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import CallKey
from services.dispatcher.deliveries import advance, head_of
from switchhook.events import EventId
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dispatcher.deliveries import Head
    from switchhook.storage.database import Database

# Those behind another delivery of their lane: nobody can be attempting them.
EXPIRE_WAITING = """
UPDATE deliveries SET status = 'expired', reason = 'deadline', settled_at = ?
WHERE status || '' = 'pending' AND due_at IS NULL AND (event, endpoint) IN (
    SELECT event, endpoint FROM deliveries
    WHERE status = 'pending' AND due_at IS NULL AND deadline_at <= ? ORDER BY deadline_at LIMIT ?)
RETURNING event, endpoint, call, (SELECT id FROM events WHERE number = event)"""

OVERDUE_HEADS = """
SELECT event, endpoint, deliveries.call, id FROM deliveries JOIN events ON number = event
WHERE status = 'pending' AND due_at IS NOT NULL AND deadline_at <= ? AND owner IN (0, ?)
ORDER BY deadline_at LIMIT ?"""

EXPIRE_HEAD = """
UPDATE deliveries SET status = 'expired', reason = 'deadline', settled_at = ?, due_at = NULL, owner = 0
WHERE event = ? AND endpoint = ? AND status || '' = 'pending' AND due_at + 0 IS NOT NULL AND deadline_at <= ?
  AND owner IN (0, ?)
RETURNING event"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A delivery whose deadline has passed."""

    event: int
    endpoint: str
    call: CallKey
    event_id: EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A delivery that has expired, and the new head of its lane if it was the head."""

    late: Late
    next_head: Head | None = None


class Overdue:
    """Every question about them. Errors are those of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire_waiting(self, *, now: datetime, limit: int) -> list[Expired]:
        """Expire at most `limit` of those that wait behind another."""
        at = micros(now)
        rows = (await self._database.write([Statement(EXPIRE_WAITING, (at, at, limit))]))[0]
        return [Expired(late=_late(*row)) for row in rows]

    async def heads(self, *, now: datetime, limit: int, owner: int = 0) -> list[Late]:
        """At most `limit` of those that are heads, nobody's or the owner's; attempts of some may be under way."""
        return [_late(*row) for row in await self._database.read(OVERDUE_HEADS, (micros(now), owner, limit))]

    async def expire_heads(self, heads: Sequence[Late], *, now: datetime, owner: int = 0) -> list[Expired]:
        """Expire these, none of which may be under way here; their lanes' new heads are the owner's."""
        at = micros(now)
        unit = []
        for late in heads:
            unit.append(Statement(EXPIRE_HEAD, (at, late.event, late.endpoint, at, owner)))
            unit.append(advance(late.endpoint, late.call, at=now, owner=owner))
        rows = await self._database.write(unit) if unit else []
        return [
            Expired(late=late, next_head=head_of(advanced[0]) if advanced else None)
            for late, expired, advanced in zip(heads, rows[::2], rows[1::2], strict=True)
            if expired
        ]


def _late(event: int, endpoint: str, call: str, event_id: str) -> Late:
    return Late(event=event, endpoint=endpoint, call=CallKey(call), event_id=EventId(event_id))
