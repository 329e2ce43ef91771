"""The tables of events, deliveries and attempts: all SQL of the dispatcher, and nothing but SQL.

A lane is (endpoint, call). Its head is the one pending delivery with a due time; whatever finishes the head makes the
next one of the lane the head, in the same unit. So order is a fact of the table and not of who reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import Arrival, CallArrivals, CallKey
from switchhook.events import EventId
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dispatcher.outcome import OutcomeKind, Reason
    from switchhook.storage.database import Database, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Lists of parameters are padded to one of these lengths, so that few different statements are prepared.
LIST_LENGTHS = (1, 8, 64, 512)

ADD_EVENT = """
INSERT INTO events (id, call, sequence, payload, accepted_at, held_until) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING"""

ADD_DELIVERY = """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, due_at, reason)
SELECT number, ?, call, sequence, 'pending', 0,
       CASE WHEN EXISTS (SELECT 1 FROM deliveries AS waiting
                         WHERE waiting.endpoint = ? AND waiting.call = events.call AND waiting.status = 'pending')
            THEN NULL ELSE ? END, ''
FROM events WHERE id = ?
ON CONFLICT DO NOTHING
RETURNING event, due_at"""

RELEASE = "UPDATE events SET held_until = NULL WHERE id = ?"

ADD_ATTEMPT = """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING"""

POSTPONE = """
UPDATE deliveries SET attempts = ?, due_at = ?, reason = ? WHERE event = ? AND endpoint = ? AND status = 'pending'"""

FINISH = """
UPDATE deliveries SET status = ?, attempts = ?, due_at = NULL, reason = ?, settled_at = ?
WHERE event = ? AND endpoint = ? AND status = 'pending'"""

ADVANCE = """
UPDATE deliveries SET due_at = ?
WHERE endpoint = ? AND due_at IS NULL AND status = 'pending'
  AND event = (SELECT event FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
               ORDER BY sequence, event LIMIT 1)
RETURNING event, call, sequence, attempts,
          (SELECT id FROM events WHERE number = event), (SELECT payload FROM events WHERE number = event)"""

DUE_HEADS = """
SELECT event, deliveries.call, deliveries.sequence, attempts, id, payload
FROM deliveries JOIN events ON number = event
WHERE endpoint = ? AND status = 'pending' AND due_at <= ?
ORDER BY due_at LIMIT ?"""

NEXT_DUE = "SELECT MIN(due_at) FROM deliveries WHERE endpoint = ? AND status = 'pending' AND due_at > ?"

PENDING_BY_ENDPOINT = "SELECT endpoint, COUNT(*), MIN(event) FROM deliveries WHERE status = 'pending' GROUP BY endpoint"

ACCEPTED_AT = "SELECT accepted_at FROM events WHERE number = ?"

ABANDON = """
UPDATE deliveries SET status = 'dead', due_at = NULL, reason = ?, settled_at = ?
WHERE (event, endpoint) IN (SELECT event, endpoint FROM deliveries WHERE endpoint = ? AND status = 'pending' LIMIT ?)
RETURNING event"""

HELD = """
SELECT id, call, sequence, payload FROM events WHERE held_until IS NOT NULL AND held_until <= ?
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
    "DELETE FROM events WHERE number = ?",
)


class Status(StrEnum):
    """Of a delivery. `PENDING` becomes one of the other two, once."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is kept; `payload` is what came over the wire."""

    id: EventId
    call: CallKey
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first delivery of its lane: the one whose turn it is. `attempts` counts those already made."""

    event: int
    call: CallKey
    sequence: int
    attempts: int
    event_id: EventId
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request for a delivery, after the fact; `status` is None when no answer came."""

    number: int
    started_at: datetime
    duration: timedelta
    status: int | None
    outcome: OutcomeKind
    reason: Reason
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An endpoint's pending deliveries; `oldest` is when the first of their events was accepted."""

    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many events were deleted, the number of the last one looked at, and whether there is no older one left."""

    count: int
    last_event: int
    is_last: bool


class Deliveries:
    """Every question the dispatcher asks of its database. Errors are those of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements made by the functions below as one unit."""
        return await self._database.write(statements)

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
        """The events with these ids, in no order."""
        return [
            _stored(row)
            for row in await self._read_list("SELECT id, call, sequence, payload FROM events WHERE id IN (%s)", ids)
        ]

    async def overdue_holds(self, *, now: datetime, limit: int) -> list[StoredEvent]:
        """Held events that have waited long enough, the longest first."""
        return [_stored(row) for row in await self._database.read(HELD, (micros(now), limit))]

    async def held_count(self) -> int:
        """How many events are held."""
        return int((await self._database.read(HELD_COUNT))[0][0])

    async def due_heads(self, endpoint: str, *, now: datetime, limit: int) -> list[Head]:
        """The endpoint's heads that are due, the longest due first."""
        return [_head(row) for row in await self._database.read(DUE_HEADS, (endpoint, micros(now), limit))]

    async def next_due_at(self, endpoint: str, *, after: datetime) -> datetime | None:
        """When the endpoint's next head falls due."""
        due_at = (await self._database.read(NEXT_DUE, (endpoint, micros(after))))[0][0]
        return None if due_at is None else moment(due_at)

    async def pending(self) -> dict[str, Pending]:
        """What waits, by endpoint."""
        pending = {}
        for endpoint, count, oldest in await self._database.read(PENDING_BY_ENDPOINT):
            rows = await self._database.read(ACCEPTED_AT, (oldest,))
            pending[endpoint] = Pending(count=count, oldest=moment(rows[0][0]))
        return pending

    async def settle(
        self, endpoint: str, head: Head, attempt: Attempt, *, status: Status, at: datetime, due_at: datetime | None
    ) -> Head | None:
        """Record an attempt and what follows from it; gives the lane's new head when the delivery is finished.

        A delivery that stays pending needs `due_at`, its next attempt.
        """
        statements = [_add_attempt(endpoint, head, attempt)]
        key = (head.event, endpoint)
        if status is Status.PENDING:
            if due_at is None:
                raise ValueError("a pending delivery needs the time of its next attempt")
            statements.append(Statement(POSTPONE, (attempt.number, micros(due_at), attempt.reason.value, *key)))
            await self._database.write(statements)
            return None
        finished = (status.value, attempt.number, attempt.reason.value, micros(at), *key)
        statements.append(Statement(FINISH, finished))
        statements.append(Statement(ADVANCE, (micros(at), endpoint, endpoint, head.call)))
        rows = (await self._database.write(statements))[-1]
        return _head(rows[0]) if rows else None

    async def abandon(self, endpoint: str, *, reason: Reason, at: datetime, limit: int) -> int:
        """Make at most `limit` pending deliveries of the endpoint dead; how many there were."""
        statement = Statement(ABANDON, (reason.value, micros(at), endpoint, limit))
        return len((await self._database.write([statement]))[0])

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


def add_event(event: StoredEvent, *, accepted_at: datetime, held_until: datetime | None) -> Statement:
    """Keep an event; nothing happens when its id is known."""
    held = None if held_until is None else micros(held_until)
    values = (event.id, event.call, event.sequence, event.payload, micros(accepted_at), held)
    return Statement(ADD_EVENT, values)


def add_delivery(event_id: EventId, endpoint: str, *, now: datetime) -> Statement:
    """A delivery of a kept event, at the end of its lane; gives (event number, due_at or None)."""
    return Statement(ADD_DELIVERY, (endpoint, endpoint, micros(now), event_id))


def release(event_id: EventId) -> Statement:
    """A held event is held no longer."""
    return Statement(RELEASE, (event_id,))


def micros(when: datetime) -> int:
    """A time as it is stored."""
    return (when - EPOCH) // MICROSECOND


def moment(stored: int) -> datetime:
    """A stored time."""
    return EPOCH + timedelta(microseconds=stored)


def _add_attempt(endpoint: str, head: Head, attempt: Attempt) -> Statement:
    values = (
        head.event,
        endpoint,
        attempt.number,
        micros(attempt.started_at),
        attempt.duration // MICROSECOND,
        attempt.status,
        attempt.outcome.value,
        attempt.reason.value,
        attempt.excerpt,
    )
    return Statement(ADD_ATTEMPT, values)


def _stored(row: Row) -> StoredEvent:
    return StoredEvent(id=EventId(row[0]), call=CallKey(row[1]), sequence=row[2], payload=row[3])


def _head(row: Row) -> Head:
    event, call, sequence, attempts, event_id, payload = row
    return Head(
        event=event,
        call=CallKey(call),
        sequence=sequence,
        attempts=attempts,
        event_id=EventId(event_id),
        payload=payload,
    )
