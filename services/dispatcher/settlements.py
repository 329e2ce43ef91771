"""Settlements: the SQL that records turns and what follows from them. Pure.

Turns that end at the same moment are finished together: a statement costs more than what it does for one row. Each is
of another lane, because a lane has one head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from services.dispatcher.attempt_log import ADD_ATTEMPTS, ATTEMPT_COLUMNS, add_attempt, attempt_values
from services.dispatcher.deliveries import RETURNED_HEAD, head_of
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dispatcher.arrivals import CallKey
    from services.dispatcher.deliveries import Head, Settlement
    from switchhook.storage.database import Row

POSTPONE = """
UPDATE deliveries SET attempts = ?, earlier_attempts = ?, due_at = ?, reason = ?, owner = 0
WHERE event = ? AND endpoint = ? AND owner = ? AND status || '' = 'pending'"""

FINISH = """
UPDATE deliveries SET status = ?, attempts = ?, earlier_attempts = ?, due_at = NULL, reason = ?, settled_at = ?,
       owner = 0
WHERE event = ? AND endpoint = ? AND owner = ? AND status || '' = 'pending'"""

# The lanes are a JSON list of pairs.
ADVANCE_ALL = f"""
UPDATE deliveries SET due_at = ?
WHERE due_at IS NULL AND status || '' = 'pending' AND (event, endpoint) IN (
    SELECT (SELECT event FROM deliveries AS waiting
            WHERE waiting.endpoint = lane.endpoint AND waiting.call = lane.call AND waiting.status = 'pending'
            ORDER BY sequence, event LIMIT 1), endpoint
    FROM (SELECT value ->> 0 AS endpoint, value ->> 1 AS call FROM json_each(?)) AS lane
    WHERE NOT EXISTS (SELECT 1 FROM deliveries AS head
                      WHERE head.endpoint = lane.endpoint AND head.call = lane.call AND head.status = 'pending'
                        AND head.due_at + 0 IS NOT NULL))
RETURNING endpoint, {RETURNED_HEAD}"""  # noqa: S608 - a constant

# All of it in one question, for a database to which each question is a journey. What it reads of deliveries is what
# was there before it, so the head that it finishes is left out by its number.
FINISH_TOGETHER = f"""
WITH kept AS ({ADD_ATTEMPTS}),
finished AS (
    UPDATE deliveries SET status = given.status, attempts = given.attempts, earlier_attempts = given.earlier_attempts,
           due_at = NULL, reason = given.reason, settled_at = given.at, owner = 0
    FROM unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS BIGINT[]),
                CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS BIGINT[]))
         AS given (status, attempts, earlier_attempts, reason, at, event, endpoint, owner)
    WHERE deliveries.event = given.event AND deliveries.endpoint = given.endpoint AND deliveries.owner = given.owner
      AND deliveries.status || '' = 'pending'
    RETURNING deliveries.event, deliveries.endpoint, deliveries.call, given.at, given.owner),
next AS (
    SELECT endpoint, at, owner, (
        SELECT event FROM deliveries AS waiting
        WHERE waiting.endpoint = finished.endpoint AND waiting.call = finished.call AND waiting.status = 'pending'
          AND waiting.event <> finished.event
        ORDER BY sequence, event LIMIT 1) AS event
    FROM finished)
UPDATE deliveries SET due_at = next.at, owner = next.owner FROM next
WHERE deliveries.event = next.event AND deliveries.endpoint = next.endpoint AND deliveries.due_at IS NULL
  AND deliveries.status || '' = 'pending'
RETURNING deliveries.endpoint, {RETURNED_HEAD}"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Turned:
    """A turn of the endpoint's head, and what came of it."""

    endpoint: str
    head: Head
    settlement: Settlement


def postpone(turned: Turned) -> list[Statement]:
    """The unit that keeps a delivery for a later attempt."""
    endpoint, head, settlement = turned.endpoint, turned.head, turned.settlement
    if settlement.due_at is None:
        raise ValueError("a pending delivery needs the time of its next attempt")
    values = (*_counts(turned), micros(settlement.due_at), settlement.reason.value, head.event, endpoint, head.owner)
    attempts = [add_attempt(head.event, endpoint, attempt) for attempt in settlement.attempts]
    return [*attempts, Statement(POSTPONE, values)]


def finish(all_turned: Sequence[Turned], *, in_one_journey: bool) -> list[Statement]:
    """The unit that finishes deliveries and gives their lanes new heads: the rows of its last statement."""
    attempts = [
        (each.head.event, each.endpoint, attempt) for each in all_turned for attempt in each.settlement.attempts
    ]
    finished = [_finished(each) for each in all_turned]
    if in_one_journey:
        kept = _columns([attempt_values(*each) for each in attempts], count=ATTEMPT_COLUMNS)
        return [Statement(FINISH_TOGETHER, [*kept, *_columns(finished, count=len(finished[0]))])]
    at = max(micros(each.settlement.at) for each in all_turned)
    lanes = orjson.dumps([(each.endpoint, each.head.call) for each in all_turned]).decode()
    return [
        *(add_attempt(*each) for each in attempts),
        *(Statement(FINISH, values) for values in finished),
        Statement(ADVANCE_ALL, (at, lanes)),
    ]


def new_heads(rows: Sequence[Row]) -> dict[tuple[str, CallKey], Head]:
    """The lanes' new heads, from the rows of the last statement of `finish`."""
    heads = [(endpoint, head_of(row)) for endpoint, *row in rows]
    return {(endpoint, head.call): head for endpoint, head in heads}


def _columns(rows: Sequence[Sequence[object]], *, count: int) -> list[list[object]]:
    return [[row[place] for row in rows] for place in range(count)]


def _finished(turned: Turned) -> tuple[object, ...]:
    settlement, head = turned.settlement, turned.head
    attempts, earlier = _counts(turned)
    at = micros(settlement.at)
    status, reason = settlement.status.value, settlement.reason.value
    return status, attempts, earlier, reason, at, head.event, turned.endpoint, head.owner


def _counts(turned: Turned) -> tuple[int, int]:
    return turned.head.attempts + len(turned.settlement.attempts), turned.settlement.earlier_attempts
