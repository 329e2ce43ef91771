"""The table of deliveries: its SQL, and nothing but SQL.

A lane is (endpoint, call). Its head is the one pending delivery with a due time; whatever finishes the head makes the
next one of the lane the head, in the same unit. So order is a fact of the table and not of who reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from services.dispatcher.arrivals import CallKey
from switchhook.events import EventId
from switchhook.storage.database import Statement
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.dispatcher.attempt_log import Attempt
    from services.dispatcher.outcome import Reason
    from switchhook.storage.database import Database, Row

# `status || ''` and `due_at + 0` where a row is found by its key, or a head by its lane: asked like this, no other
# partial index looks better to PostgreSQL's planner, which believes them to be small while little is pending.
# A delivery is behind what is pending of its lane, and behind what is added to it at the same moment.
# The additions are a JSON object, because both engines have a `json_each` of objects: id, endpoint, owner, deadline.
# `IS NOT NULL` and not EXISTS, of which PostgreSQL would make one look at everything that is pending.
ADD_DELIVERIES = """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, due_at, owner, deadline_at, reason)
SELECT number, endpoint, call, sequence, 'pending', 0,
       CASE WHEN is_behind THEN NULL ELSE CAST(? AS BIGINT) END, CASE WHEN is_behind THEN 0 ELSE owner END,
       deadline_at, ''
FROM (SELECT number, endpoint, call, sequence, owner, deadline_at,
             ROW_NUMBER() OVER (PARTITION BY endpoint, call ORDER BY sequence, number) > 1 OR (
                 SELECT 1 FROM deliveries AS waiting
                 WHERE waiting.endpoint = added.endpoint AND waiting.call = events.call AND waiting.status = 'pending'
                 LIMIT 1) IS NOT NULL AS is_behind
      FROM (SELECT value ->> 0 AS event_id, value ->> 1 AS endpoint, CAST(value ->> 2 AS BIGINT) AS owner,
                   CAST(value ->> 3 AS BIGINT) AS deadline_at FROM json_each(?)) AS added CROSS JOIN events
      WHERE id = event_id AND NOT EXISTS (
          SELECT 1 FROM deliveries AS known WHERE known.event = number AND known.endpoint = added.endpoint)) AS placed
WHERE true
ON CONFLICT (event, endpoint) DO NOTHING
RETURNING (SELECT id FROM events WHERE number = event), endpoint, event, due_at, owner"""

RETURNED_HEAD = """
          deliveries.event, deliveries.call, deliveries.sequence, deliveries.attempts, earlier_attempts, replays,
          deadline_at, deliveries.owner, (SELECT id FROM events WHERE number = deliveries.event),
          (SELECT kind FROM events WHERE number = deliveries.event),
          (SELECT payload FROM events WHERE number = deliveries.event)"""

ADVANCE = f"""
UPDATE deliveries SET due_at = ?, owner = ?
WHERE endpoint = ? AND due_at IS NULL AND status || '' = 'pending'
  AND event = (SELECT event FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
               ORDER BY sequence, event LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
                  AND due_at + 0 IS NOT NULL)
RETURNING {RETURNED_HEAD}"""  # noqa: S608 - a constant

HEAD_COLUMNS = """event, deliveries.call, deliveries.sequence, attempts, earlier_attempts, replays, deadline_at,
       owner, id, kind, payload"""

DUE_HEADS = f"""
SELECT {HEAD_COLUMNS}
FROM deliveries JOIN events ON number = event
WHERE endpoint = ? AND status = 'pending' AND due_at <= ? AND owner IN (0, ?)
ORDER BY due_at LIMIT ?"""  # noqa: S608 - a constant

# A row for each live call of the page, its head's columns NULL where nothing of it is due.
LIVE_HEADS = f"""
SELECT opened, {HEAD_COLUMNS}
FROM (SELECT call AS live_call, number AS opened FROM live_calls WHERE number < ? ORDER BY number DESC LIMIT ?) AS live
LEFT JOIN deliveries ON endpoint = ? AND deliveries.call = live_call AND status = 'pending'
                     AND due_at + 0 <= ? AND owner IN (0, ?)
LEFT JOIN events ON events.number = event
ORDER BY opened DESC"""  # noqa: S608 - a constant

NEXT_DUE = "SELECT MIN(due_at) FROM deliveries WHERE endpoint = ? AND status = 'pending' AND due_at > ?"

OLDEST_DUE = "SELECT MIN(due_at) FROM deliveries WHERE endpoint = ? AND status = 'pending' AND due_at IS NOT NULL"

PENDING_BY_ENDPOINT = "SELECT endpoint, COUNT(*) FROM deliveries WHERE status = 'pending' GROUP BY endpoint"

RECALL = """
UPDATE deliveries SET due_at = ?
WHERE status || '' = 'pending' AND due_at IS NOT NULL AND (event, endpoint) IN (
    SELECT event, endpoint FROM deliveries
    WHERE endpoint = ? AND status = 'pending' AND due_at > ?
      AND reason IN ('timeout', 'connect', 'dns', 'tls', 'disconnected', 'proxy') LIMIT ?)
RETURNING event"""


class Status(StrEnum):
    """Of a delivery. `PENDING` becomes one of the others, once; until it is replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    EXPIRED = "expired"


class Kind(StrEnum):
    """What an event tells of: a call, or the dispatcher itself."""

    CALL = "call"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first delivery of its lane: the one whose turn it is.

    `attempts` counts those already made, `earlier_attempts` those of them that the schedule does not count. After
    `deadline_at` no attempt starts. `owner` is the dispatcher that may attempt it (see `claims`).
    """

    event: int
    call: CallKey
    sequence: int
    attempts: int
    event_id: EventId
    payload: bytes
    earlier_attempts: int = 0
    replays: int = 0
    deadline_at: datetime | None = None
    kind: Kind = Kind.CALL
    owner: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of a head's turn. A delivery that stays pending needs `due_at`, its next attempt.

    `earlier_attempts` is the delivery's new count of attempts that the schedule does not count.
    """

    status: Status
    reason: Reason
    at: datetime
    due_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    earlier_attempts: int = 0


class Deliveries:
    """Every question about deliveries that are under way. Errors are those of `Database`."""

    def __init__(self, database: Database, *, doubt: Callable[[str, CallKey], None] = lambda _endpoint, _call: None):
        """`doubt` is told of lanes that, as far as this process sees, got no new head (see `lane_repair`)."""
        self._database = database
        self.is_shared = database.is_shared
        self.doubt = doubt

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements made by the functions of the tables' modules as one unit."""
        return await self._database.write(statements)

    async def due_heads(self, endpoint: str, *, now: datetime, limit: int, owner: int = 0) -> list[Head]:
        """The endpoint's heads that are due and nobody's or the owner's, the longest due first."""
        return [head_of(row) for row in await self._database.read(DUE_HEADS, (endpoint, micros(now), owner, limit))]

    async def live_heads(
        self, endpoint: str, *, now: datetime, before: int, limit: int, owner: int = 0
    ) -> tuple[list[Head], int | None]:
        """The due heads of live calls, the newest call first; looks at `limit` calls that were opened before `before`.

        The second value is the next `before`, None after the last call.
        """
        rows = await self._database.read(LIVE_HEADS, (before, limit, endpoint, micros(now), owner))
        heads = [head_of(row[1:]) for row in rows if row[1] is not None]
        return heads, int(rows[-1][0]) if len(rows) >= limit else None

    async def next_due_at(self, endpoint: str, *, after: datetime) -> datetime | None:
        """When the endpoint's next head falls due."""
        due_at = (await self._database.read(NEXT_DUE, (endpoint, micros(after))))[0][0]
        return None if due_at is None else moment(due_at)

    async def oldest_due_at(self, endpoint: str) -> datetime | None:
        """When the head that has been due longest fell due, or the first one will."""
        due_at = (await self._database.read(OLDEST_DUE, (endpoint,)))[0][0]
        return None if due_at is None else moment(due_at)

    async def pending(self) -> dict[str, int]:
        """How many deliveries wait, by endpoint. Reads all of them: for the start alone."""
        return dict(map(tuple, await self._database.read(PENDING_BY_ENDPOINT)))

    async def recall(self, endpoint: str, *, now: datetime, limit: int) -> int:
        """Make heads due that wait for a later attempt because nobody answered; at most `limit`, and how many."""
        at = micros(now)
        return len((await self._database.write([Statement(RECALL, (at, endpoint, at, limit))]))[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A delivery to be of a kept event; `owner` claims it, if it becomes the head of its lane."""

    event_id: EventId
    endpoint: str
    owner: int = 0
    deadline_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A delivery that was made; the head of its lane has a due time, and its owner."""

    event_id: EventId
    endpoint: str
    event: int
    is_head: bool
    owner: int


def add_deliveries(additions: Sequence[Addition], *, now: datetime) -> Statement:
    """Deliveries at the end of their lanes, by sequence; gives a row for each that is new, for `added`."""
    rows = {
        str(place): (
            each.event_id,
            each.endpoint,
            each.owner,
            None if each.deadline_at is None else micros(each.deadline_at),
        )
        for place, each in enumerate(additions)
    }
    return Statement(ADD_DELIVERIES, (micros(now), orjson.dumps(rows).decode()))


def add_delivery(event_id: EventId, endpoint: str, *, now: datetime) -> Statement:
    """One delivery of a kept event."""
    return add_deliveries([Addition(event_id=event_id, endpoint=endpoint)], now=now)


def added(row: Row) -> Added:
    """What a row of `add_deliveries` says."""
    event_id, endpoint, event, due_at, owner = row
    return Added(event_id=EventId(event_id), endpoint=endpoint, event=event, is_head=due_at is not None, owner=owner)


def advance(endpoint: str, call: CallKey, *, at: datetime, owner: int = 0) -> Statement:
    """Make the next delivery of a lane that has no head its head, and the owner's; gives its row, for `head_of`."""
    return Statement(ADVANCE, (micros(at), owner, endpoint, endpoint, call, endpoint, call))


def head_of(row: Sequence[Any]) -> Head:
    """The head that a row of `advance` is."""
    event, call, sequence, attempts, earlier_attempts, replays, deadline_at, owner, event_id, kind, payload = row
    return Head(
        event=event,
        call=CallKey(call),
        sequence=sequence,
        attempts=attempts,
        event_id=EventId(event_id),
        payload=payload,
        earlier_attempts=earlier_attempts,
        replays=replays,
        deadline_at=None if deadline_at is None else moment(deadline_at),
        kind=Kind(kind),
        owner=owner,
    )
