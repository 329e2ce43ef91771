"""Own events: what the dispatcher tells the operator's endpoint about other endpoints and about dead deliveries.

They are kept and delivered like all events, in lanes of their own: one for each endpoint, one for each delivery. Their
ids are derived, so that what is told twice is recognised. About the operator's endpoint itself nothing is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from services.dispatcher.arrivals import CallKey
from services.dispatcher.deliveries import Kind, add_delivery
from services.dispatcher.kept_events import StoredEvent, add_event
from services.dispatcher.outcome import ADVICE_BY_REASON
from services.dispatcher.stored_times import micros
from switchhook.events import EventId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.dispatcher.deliveries import Head
    from services.dispatcher.gate import EndpointState
    from services.dispatcher.outcome import Reason
    from switchhook.events import Event
    from switchhook.storage.database import Statement

STATEMENTS_EACH = 2  # the event, and its delivery


class OwnType(StrEnum):
    """Dotted names, as all events have them."""

    PAUSED = "endpoint.paused"
    RECOVERED = "endpoint.recovered"
    DEAD = "delivery.dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The delivery that brought something about."""

    head: Head
    event: Event | None = None


class OwnEvents:
    """Makes the statements that keep own events; none when there is nobody to tell."""

    def __init__(self, operator_endpoint: str | None, *, kept: Callable[[str, int], None]) -> None:
        """`kept` is told of the operator's endpoint and how many events it got."""
        self._operator = operator_endpoint
        self._kept = kept

    def committed(self, statements: Sequence[Statement]) -> None:
        """These statements, of one or more own events, are in the table."""
        if statements and self._operator is not None:
            self._kept(self._operator, len(statements) // STATEMENTS_EACH)

    def paused(
        self, endpoint: str, state: EndpointState, reason: Reason, *, at: datetime, cause: Cause | None = None
    ) -> list[Statement]:
        """The endpoint takes nothing (`PAUSED`), or mostly fails (`OPEN`)."""
        told: dict[str, object] = {
            "state": state.value,
            "reason": reason.value,
            "advice": ADVICE_BY_REASON.get(reason, ""),
        }
        return self._of_endpoint(OwnType.PAUSED, endpoint, told, at=at, cause=cause)

    def recovered(self, endpoint: str, *, since: datetime, at: datetime, cause: Cause | None = None) -> list[Statement]:
        """The endpoint is active again, after it was not since then."""
        told = {
            "state": "active",
            "paused_at": since.isoformat(),
            "outage_seconds": round((at - since).total_seconds()),
        }
        return self._of_endpoint(OwnType.RECOVERED, endpoint, told, at=at, cause=cause)

    def dead(
        self, endpoint: str, reason: Reason, *, attempts: int, status: int | None, at: datetime, cause: Cause
    ) -> list[Statement]:
        """A delivery was given up."""
        told = {
            "reason": reason.value,
            "advice": ADVICE_BY_REASON.get(reason, ""),
            "attempts": attempts,
            "status": status,
            **_about(cause),
        }
        id_ = f"dead-{cause.head.event_id}-{endpoint}-{attempts}"
        return self._statements(OwnType.DEAD, endpoint, told, at=at, id_=id_, call=id_, sequence=1)

    def _of_endpoint(
        self, type_: OwnType, endpoint: str, told: dict[str, object], *, at: datetime, cause: Cause | None
    ) -> list[Statement]:
        moment = micros(at)
        id_ = f"{type_.value.replace('.', '-')}-{endpoint}-{moment}"
        told |= {} if cause is None else _about(cause)
        return self._statements(type_, endpoint, told, at=at, id_=id_, call=f"endpoint/{endpoint}", sequence=moment)

    def _statements(
        self,
        type_: OwnType,
        endpoint: str,
        told: dict[str, object],
        *,
        at: datetime,
        id_: str,
        call: str,
        sequence: int,
    ) -> list[Statement]:
        if self._operator is None or self._operator == endpoint:
            return []
        data = {"endpoint": endpoint, **told}
        stored = StoredEvent(
            id=EventId(id_),
            call=CallKey(f"own/{call}"),
            sequence=sequence,
            payload=orjson.dumps({"type": type_.value, "timestamp": at.isoformat(), "data": data}),
            kind=Kind.OWN,
        )
        return [add_event(stored, accepted_at=at), add_delivery(stored.id, self._operator, now=at)]


def _about(cause: Cause) -> dict[str, object]:
    pbx, _, call_id = cause.head.call.partition("/")
    event = cause.event
    return {
        "event_id": cause.head.event_id,
        "event_type": None if event is None else event.type.value,
        "occurred_at": None if event is None else event.occurred_at.isoformat(),
        "pbx": pbx,
        "call_id": call_id,
        "sequence": cause.head.sequence,
    }
