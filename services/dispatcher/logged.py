"""What the delivery log tells: deliveries and their attempts as values, and the columns that they are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from services.dispatcher.arrivals import CallKey
from services.dispatcher.deliveries import Status
from services.dispatcher.selection import DeliveryId
from switchhook.errors import CodecError
from switchhook.events import EventId
from switchhook.rpc.codec import decode
from switchhook.storage.times import moment, stored_length

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from switchhook.events import Event
    from switchhook.storage.database import Row

OWN = "own"  # the kind of an event that tells of Switchhook itself

COLUMNS = """
SELECT deliveries.event, deliveries.endpoint, events.id, events.call, events.sequence, events.payload,
       deliveries.status, deliveries.attempts, deliveries.replays, deliveries.due_at, deliveries.reason,
       deliveries.settled_at, deliveries.deadline_at, events.accepted_at, events.kind
FROM deliveries JOIN events ON events.number = deliveries.event
WHERE """


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDelivery:
    """One row of the log. `event` is None for one of Switchhook's own, and when this version cannot read it.

    `own` is the body of an event that tells of Switchhook itself. `attempts` counts all that were made, `replays` how
    often an operator had it sent anew.
    """

    number: int
    id: DeliveryId
    call: CallKey
    sequence: int
    event: Event | None
    own: dict[str, Any] | None
    state: Status
    attempts: int
    replays: int
    reason: str
    accepted_at: datetime
    due_at: datetime | None
    settled_at: datetime | None
    deadline_at: datetime | None

    @property
    def type(self) -> str | None:
        """The event's dotted name, if it can be read."""
        if self.event is not None:
            return self.event.type.value
        return None if self.own is None else str(self.own.get("type"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAttempt:
    """One HTTP request; `answer` is the beginning of what came back, or why nothing did; `address` the peer's."""

    number: int
    started_at: datetime
    duration: timedelta
    status: int | None
    outcome: str
    reason: str
    answer: str
    answer_bytes: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFailure:
    """The latest attempt that failed, among recent events."""

    at: datetime
    status: int | None
    reason: str
    answer: str


def delivery_of(row: Row) -> LoggedDelivery:
    """From a row of `COLUMNS`."""
    number, endpoint, event_id, call, sequence, payload, *state_of_it, settled, deadline, accepted, kind = row
    state, attempts, replays, due, reason = state_of_it
    is_own = kind == OWN
    return LoggedDelivery(
        number=number,
        id=DeliveryId(EventId(event_id), endpoint),
        call=CallKey(call),
        sequence=sequence,
        event=None if is_own else _decoded(payload),
        own=_body(payload) if is_own else None,
        state=Status(state),
        attempts=attempts,
        replays=replays,
        reason=reason,
        accepted_at=moment(accepted),
        due_at=None if due is None else moment(due),
        settled_at=None if settled is None else moment(settled),
        deadline_at=None if deadline is None else moment(deadline),
    )


def _decoded(payload: bytes) -> Event | None:
    try:
        return decode(payload)
    except CodecError:
        return None


def _body(payload: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def attempt_of(row: Row) -> LoggedAttempt:
    """From a row of `ATTEMPTS`."""
    number, started_at, duration, status, outcome, reason, excerpt, body, size, address = row
    return LoggedAttempt(
        number=number,
        started_at=moment(started_at),
        duration=stored_length(duration),
        status=status,
        outcome=outcome,
        reason=reason,
        answer=body or excerpt,
        answer_bytes=size,
        address=address,
    )
