"""The tables of events and live calls: their SQL. What was accepted is kept until its retention is over.

A call is live from its first event until its final end is accepted; after an outage its deliveries go first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import Arrival, CallArrivals, CallKey
from services.dispatcher.deliveries import Kind
from switchhook.events import EventId
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from switchhook.storage.database import Database, Row

# Lists of parameters are padded to one of these lengths, so that few different statements are prepared.
LIST_LENGTHS = (1, 8, 64, 512)

ADD_EVENT = """
INSERT INTO events (id, call, sequence, payload, accepted_at, held_until, kind) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING"""

RELEASE = "UPDATE events SET held_until = NULL WHERE id = ?"

OPEN_CALL = "INSERT INTO live_calls (call, number) SELECT call, number FROM events WHERE id = ? ON CONFLICT DO NOTHING"

CLOSE_CALL = "DELETE FROM live_calls WHERE call = ?"

HELD = """
SELECT id, call, sequence, payload FROM events WHERE held_until IS NOT NULL AND held_until <= ?
ORDER BY held_until LIMIT ?"""

# What is held although its predecessor is there: another dispatcher accepted that one at the same moment.
HELD_OR_READY = """
SELECT id, call, sequence, payload FROM events
WHERE held_until IS NOT NULL AND (held_until <= ? OR EXISTS (
    SELECT 1 FROM events AS before
    WHERE before.call = events.call AND before.sequence = events.sequence - 1 AND before.held_until IS NULL))
ORDER BY held_until LIMIT ?"""

HELD_COUNT = "SELECT COUNT(*) FROM events WHERE held_until IS NOT NULL"

# Numbers grow with time, so reading in their order finds the old events first, without an index of times.
OLDEST_EVENTS = """
SELECT number, accepted_at < ?, held_until IS NULL AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE event = number AND (status = 'pending' OR settled_at >= ?))
FROM events WHERE number > ? ORDER BY number LIMIT ?"""

FORGET = (
    "DELETE FROM attempts WHERE event = ?",
    "DELETE FROM deliveries WHERE event = ?",
    "DELETE FROM live_calls WHERE number = ?",
    "DELETE FROM events WHERE number = ?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is kept; `payload` is what came over the wire, or the body of an own event."""

    id: EventId
    call: CallKey
    sequence: int
    payload: bytes
    kind: Kind = Kind.CALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many events were deleted, the number of the last one looked at, and whether there is no older one left."""

    count: int
    last_event: int
    is_last: bool


class KeptEvents:
    """Every question about events. Errors are those of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_shared = database.is_shared

    async def arrivals_of(self, calls: Sequence[CallKey]) -> tuple[dict[CallKey, CallArrivals], set[EventId]]:
        """What has arrived of the calls, and the ids of all their events."""
        arrivals = dict.fromkeys(calls, CallArrivals())
        ids: set[EventId] = set()
        for row in await self._read_list("SELECT call, sequence, id, held_until FROM events WHERE call IN (%s)", calls):
            call, arrival, is_held = CallKey(row[0]), Arrival(row[1], EventId(row[2])), row[3] is not None
            ids.add(arrival.id)
            known = arrivals[call]
            arrivals[call] = CallArrivals(
                reached=known.reached if is_held else max(known.reached, arrival.sequence),
                held=known.held | {arrival} if is_held else known.held,
            )
        return arrivals, ids

    async def stored_events(self, ids: Sequence[EventId]) -> list[StoredEvent]:
        """The events of calls with these ids, in no order."""
        return [
            _stored(row)
            for row in await self._read_list("SELECT id, call, sequence, payload FROM events WHERE id IN (%s)", ids)
        ]

    async def overdue_holds(self, *, now: datetime, limit: int) -> list[StoredEvent]:
        """Held events that have waited long enough, or wait for nothing any more; the longest first."""
        held = HELD_OR_READY if self.is_shared else HELD
        return [_stored(row) for row in await self._database.read(held, (micros(now), limit))]

    async def held_count(self) -> int:
        """How many events are held."""
        return int((await self._database.read(HELD_COUNT))[0][0])

    async def purge(self, *, before: datetime, after_event: int, limit: int) -> Purged:
        """Look at the `limit` oldest events after number `after_event`; delete what was finished before `before`."""
        cutoff = micros(before)
        rows = await self._database.read(OLDEST_EVENTS, (cutoff, cutoff, after_event, limit))
        old = [(number, is_finished) for number, is_old, is_finished in rows if is_old]
        finished = [number for number, is_finished in old if is_finished]
        statements = [Statement(sql, (number,)) for number in finished for sql in FORGET]
        if statements:
            await self._database.write(statements)
        return Purged(
            count=len(finished),
            last_event=old[-1][0] if old else after_event,
            is_last=len(old) < limit,
        )

    async def _read_list(self, sql: str, values: Sequence[str]) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(values), LIST_LENGTHS[-1]):
            chunk = list(values[start : start + LIST_LENGTHS[-1]])
            length = next(length for length in LIST_LENGTHS if length >= len(chunk))
            chunk += chunk[:1] * (length - len(chunk))
            rows += await self._database.read(sql % ", ".join("?" * length), chunk)
        return rows


def add_event(event: StoredEvent, *, accepted_at: datetime, held_until: datetime | None = None) -> Statement:
    """Keep an event; nothing happens when its id is known."""
    held = None if held_until is None else micros(held_until)
    values = (event.id, event.call, event.sequence, event.payload, micros(accepted_at), held, event.kind.value)
    return Statement(ADD_EVENT, values)


def release(event_id: EventId) -> Statement:
    """A held event is held no longer."""
    return Statement(RELEASE, (event_id,))


def open_call(event_id: EventId) -> Statement:
    """The call of this kept event is live."""
    return Statement(OPEN_CALL, (event_id,))


def close_call(call: CallKey) -> Statement:
    """The call is over."""
    return Statement(CLOSE_CALL, (call,))


def _stored(row: Row) -> StoredEvent:
    return StoredEvent(id=EventId(row[0]), call=CallKey(row[1]), sequence=row[2], payload=row[3])
