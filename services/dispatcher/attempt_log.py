"""The table of attempts: what became of every HTTP request. Written here, read by the delivery log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.stored_times import MICROSECOND, micros
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from services.dispatcher.outcome import OutcomeKind, Reason

ADD_ATTEMPT = """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt,
                      address, response_body, response_bytes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING"""


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
    values = (
        event,
        endpoint,
        attempt.number,
        micros(attempt.started_at),
        attempt.duration // MICROSECOND,
        attempt.status,
        attempt.outcome.value,
        attempt.reason.value,
        attempt.excerpt,
        attempt.address,
        attempt.response_body,
        attempt.response_bytes,
    )
    return Statement(ADD_ATTEMPT, values)
