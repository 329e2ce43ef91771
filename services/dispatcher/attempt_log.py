"""The table of attempts: what became of every HTTP request. Written here, read by the delivery log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchhook.storage.database import Statement
from switchhook.storage.times import length_micros, micros

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from services.dispatcher.outcome import OutcomeKind, Reason

_COLUMNS = """
event, endpoint, number, started_at, duration, status, outcome, reason, excerpt, address, response_body, response_bytes
"""
ATTEMPT_COLUMNS = 12

ADD_ATTEMPT = f"""
INSERT INTO attempts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING"""  # noqa: S608 - a constant

# Asked of PostgreSQL only: any number of them, a list for each column.
ADD_ATTEMPTS = f"""
INSERT INTO attempts ({_COLUMNS})
SELECT * FROM unnest(
    CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]), CAST(? AS BIGINT[]),
    CAST(? AS BIGINT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[]),
    CAST(? AS TEXT[]), CAST(? AS BIGINT[]))
ON CONFLICT DO NOTHING"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request for a delivery, after the fact; `status` is None when no answer came.

    `excerpt` is a short redacted piece of a refusal or of an error, `response_body` the beginning of any answer.
    """

    number: int
    started_at: datetime
    duration: timedelta
    status: int | None
    outcome: OutcomeKind
    reason: Reason
    excerpt: str = ""
    address: str = ""
    response_body: str = ""
    response_bytes: int = 0


def add_attempt(event: int, endpoint: str, attempt: Attempt) -> Statement:
    """Keep an attempt; nothing happens when it is kept already."""
    return Statement(ADD_ATTEMPT, attempt_values(event, endpoint, attempt))


def attempt_values(event: int, endpoint: str, attempt: Attempt) -> tuple[object, ...]:
    """Its row."""
    return (
        event,
        endpoint,
        attempt.number,
        micros(attempt.started_at),
        length_micros(attempt.duration),
        attempt.status,
        attempt.outcome.value,
        attempt.reason.value,
        attempt.excerpt,
        attempt.address,
        attempt.response_body,
        attempt.response_bytes,
    )
