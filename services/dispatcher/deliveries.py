"""The table of deliveries: its SQL, and nothing but SQL.

A lane is (endpoint, call). Its head is the one pending delivery with a due time; whatever finishes the head makes the
next one of the lane the head, in the same unit. So order is a fact of the table and not of who reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import CallKey
from services.dispatcher.attempt_log import ADD_ATTEMPT, add_attempt
from services.dispatcher.stored_times import micros, moment
from switchhook.events import EventId
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.dispatcher.attempt_log import Attempt
    from services.dispatcher.outcome import Reason
    from switchhook.storage.database import Database, Row

# `status || ''` and `due_at + 0` where a row is found by its key, or a head by its lane: asked like this, no other
# partial index looks better to PostgreSQL's planner, which believes them to be small while little is pending.
ADD_DELIVERY = """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, due_at, owner, deadline_at, reason)
SELECT number, CAST(? AS TEXT), call, sequence, 'pending', 0,
       CASE WHEN is_behind THEN NULL ELSE CAST(? AS BIGINT) END,
       CASE WHEN is_behind THEN 0 ELSE CAST(? AS BIGINT) END, CAST(? AS BIGINT), ''
FROM (SELECT number, call, sequence,
             EXISTS (SELECT 1 FROM deliveries AS waiting
                     WHERE waiting.endpoint = ? AND waiting.call = events.call AND waiting.status = 'pending')
             AS is_behind
      FROM events WHERE id = ?) AS added
WHERE true
ON CONFLICT (event, endpoint) DO NOTHING
RETURNING event, due_at, owner"""

POSTPONE = """
UPDATE deliveries SET attempts = ?, earlier_attempts = ?, due_at = ?, reason = ?, owner = 0
WHERE event = ? AND endpoint = ? AND owner = ? AND status || '' = 'pending'"""

FINISH = """
UPDATE deliveries SET status = ?, attempts = ?, earlier_attempts = ?, due_at = NULL, reason = ?, settled_at = ?,
       owner = 0
WHERE event = ? AND endpoint = ? AND owner = ? AND status || '' = 'pending'"""

ADVANCE = """
UPDATE deliveries SET due_at = ?, owner = ?
WHERE endpoint = ? AND due_at IS NULL AND status || '' = 'pending'
  AND event = (SELECT event FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
               ORDER BY sequence, event LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
                  AND due_at + 0 IS NOT NULL)
RETURNING event, call, sequence, attempts, earlier_attempts, replays, deadline_at, owner,
          (SELECT id FROM events WHERE number = event), (SELECT kind FROM events WHERE number = event),
          (SELECT payload FROM events WHERE number = event)"""

# FINISH and ADVANCE in one question, for a database to which each question is a journey.
FINISH_AND_ADVANCE = f"""
WITH finished AS ({FINISH} RETURNING event)
UPDATE deliveries SET due_at = ?, owner = ?
WHERE endpoint = ? AND due_at IS NULL AND status || '' = 'pending' AND EXISTS (SELECT 1 FROM finished)
  AND event = (SELECT event FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending' AND event <> ?
               ORDER BY sequence, event LIMIT 1)
{ADVANCE[ADVANCE.index("RETURNING") :]}"""  # noqa: S608 - constants

KEEP_FINISH_AND_ADVANCE = FINISH_AND_ADVANCE.replace("WITH", f"WITH kept AS ({ADD_ATTEMPT}),", 1)

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

    async def settle(
        self, endpoint: str, head: Head, settlement: Settlement, *, also: Sequence[Statement] = ()
    ) -> Head | None:
        """Record a turn and what follows from it; gives the lane's new head when the delivery is finished.

        `also` becomes part of the unit.
        """
        unit = [add_attempt(head.event, endpoint, attempt) for attempt in settlement.attempts]
        counts = (head.attempts + len(settlement.attempts), settlement.earlier_attempts)
        key = (head.event, endpoint, head.owner)
        if settlement.status is Status.PENDING:
            if settlement.due_at is None:
                raise ValueError("a pending delivery needs the time of its next attempt")
            postponed = (*counts, micros(settlement.due_at), settlement.reason.value, *key)
            await self._database.write([*unit, Statement(POSTPONE, postponed), *also])
            return None
        at = micros(settlement.at)
        finished: tuple[object, ...] = (settlement.status.value, *counts, settlement.reason.value, at, *key)
        if self._database.is_shared:
            finished += (at, head.owner, endpoint, endpoint, head.call, head.event)
            if len(unit) == 1:
                unit = [Statement(KEEP_FINISH_AND_ADVANCE, (*unit[0].parameters, *finished))]
            else:
                unit.append(Statement(FINISH_AND_ADVANCE, finished))
        else:
            unit += [Statement(FINISH, finished), advance(endpoint, head.call, at=settlement.at, owner=head.owner)]
        place = len(unit) - 1
        rows = (await self._database.write([*unit, *also]))[place]
        if not rows:
            self.doubt(endpoint, head.call)
        return head_of(rows[0]) if rows else None

    async def recall(self, endpoint: str, *, now: datetime, limit: int) -> int:
        """Make heads due that wait for a later attempt because nobody answered; at most `limit`, and how many."""
        at = micros(now)
        return len((await self._database.write([Statement(RECALL, (at, endpoint, at, limit))]))[0])


def add_delivery(
    event_id: EventId, endpoint: str, *, now: datetime, deadline_at: datetime | None = None, owner: int = 0
) -> Statement:
    """A delivery of a kept event, at the end of its lane; gives (event number, due_at or None, owner).

    `owner` claims it, if it is the head of its lane.
    """
    deadline = None if deadline_at is None else micros(deadline_at)
    return Statement(ADD_DELIVERY, (endpoint, micros(now), owner, deadline, endpoint, event_id))


def advance(endpoint: str, call: CallKey, *, at: datetime, owner: int = 0) -> Statement:
    """Make the next delivery of a lane that has no head its head, and the owner's; gives its row, for `head_of`."""
    return Statement(ADVANCE, (micros(at), owner, endpoint, endpoint, call, endpoint, call))


def head_of(row: Row) -> Head:
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
