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
from services.dispatcher.endpoint_table import if_first
from services.dispatcher.formats.data import timestamp
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.kept_events import StoredEvent, add_event
from services.dispatcher.outcome import ADVICE_BY_REASON
from switchhook.events import EventId
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.dispatcher.deliveries import Head
    from services.dispatcher.endpoints import Endpoint
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """A delivery that ends because its endpoint is not configured any more; `event` is the event's number."""

    event: int
    event_id: EventId
    call: CallKey


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
        return self._kept_for(endpoint, paused(endpoint, state, reason, at=at, cause=cause), at)

    def opened(
        self, endpoint: str, state: EndpointState, reason: Reason, *, at: datetime, cause: Cause
    ) -> list[Statement]:
        """As `paused`, if no other dispatcher was faster to find it out: `at` is when the outage began."""
        told = self.paused(endpoint, state, reason, at=at, cause=cause)
        return [if_first(told[0], endpoint, since=at), *told[1:]] if told else []

    def recovered(self, endpoint: str, *, since: datetime, at: datetime, cause: Cause | None = None) -> list[Statement]:
        """The endpoint is active again, after it was not since then."""
        return self._kept_for(endpoint, recovered(endpoint, since=since, at=at, cause=cause), at)

    def dead(
        self, endpoint: str, reason: Reason, *, attempts: int, status: int | None, at: datetime, cause: Cause
    ) -> list[Statement]:
        """A delivery was given up."""
        told = dead(endpoint, reason, attempts=attempts, status=status, at=at, cause=cause)
        return self._kept_for(endpoint, told, at)

    def abandoned(
        self, endpoint: str, reason: Reason, given_up: Sequence[Abandoned], *, at: datetime
    ) -> list[Statement]:
        """All of these deliveries of one endpoint were given up; there is at least one."""
        return self._kept_for(endpoint, abandoned(endpoint, reason, given_up, at=at), at)

    def _kept_for(self, endpoint: str, told: StoredEvent, at: datetime) -> list[Statement]:
        if self._operator is None or self._operator == endpoint:
            return []
        return [add_event(told, accepted_at=at), add_delivery(told.id, self._operator, now=at)]


def own_request(body: bytes, endpoint: Endpoint) -> HttpRequest:
    """What tells the endpoint an own event: it has a body of its own, whatever the endpoint's format."""
    return HttpRequest(method="POST", url=endpoint.url, headers={"content-type": "application/json"}, body=body)


def paused(
    endpoint: str, state: EndpointState, reason: Reason, *, at: datetime, cause: Cause | None = None
) -> StoredEvent:
    """`endpoint.paused`."""
    told: dict[str, object] = {
        "state": state.value,
        "reason": reason.value,
        "advice": ADVICE_BY_REASON.get(reason, ""),
    }
    return _of_endpoint(OwnType.PAUSED, endpoint, told, at=at, cause=cause)


def recovered(endpoint: str, *, since: datetime, at: datetime, cause: Cause | None = None) -> StoredEvent:
    """`endpoint.recovered`."""
    outage = round((at - since).total_seconds())
    told: dict[str, object] = {"state": "active", "paused_at": timestamp(since), "outage_seconds": outage}
    return _of_endpoint(OwnType.RECOVERED, endpoint, told, at=at, cause=cause)


def dead(
    endpoint: str, reason: Reason, *, attempts: int, status: int | None, at: datetime, cause: Cause
) -> StoredEvent:
    """`delivery.dead` of one delivery."""
    about = {"attempts": attempts, "status": status, "deliveries": 1, **_about(cause)}
    id_ = f"dead-{cause.head.event_id}-{endpoint}-{attempts}"
    return _dead(endpoint, reason, about, id_=id_, at=at)


def abandoned(endpoint: str, reason: Reason, given_up: Sequence[Abandoned], *, at: datetime) -> StoredEvent:
    """`delivery.dead` of several deliveries at once, of one or more calls."""
    calls = dict.fromkeys(each.call for each in given_up)
    about: dict[str, object] = {
        "deliveries": len(given_up),
        "calls": [{"pbx": pbx, "call_id": call_id} for pbx, _, call_id in (call.partition("/") for call in calls)],
    }
    return _dead(endpoint, reason, about, id_=f"dead-{given_up[0].event_id}-{endpoint}-{reason.value}", at=at)


def _dead(endpoint: str, reason: Reason, about: dict[str, object], *, id_: str, at: datetime) -> StoredEvent:
    told = {"reason": reason.value, "advice": ADVICE_BY_REASON.get(reason, ""), **about}
    return _own(OwnType.DEAD, {"endpoint": endpoint, **told}, id_=id_, call=id_, sequence=1, at=at)


def _of_endpoint(
    type_: OwnType, endpoint: str, told: dict[str, object], *, at: datetime, cause: Cause | None
) -> StoredEvent:
    moment = micros(at)
    about = {"endpoint": endpoint, **told} | ({} if cause is None else _about(cause))
    id_ = f"{type_.value.replace('.', '-')}-{endpoint}-{moment}"
    return _own(type_, about, id_=id_, call=f"endpoint/{endpoint}", sequence=moment, at=at)


def _own(type_: OwnType, about: dict[str, object], *, id_: str, call: str, sequence: int, at: datetime) -> StoredEvent:
    return StoredEvent(
        id=EventId(id_),
        call=CallKey(f"own/{call}"),
        sequence=sequence,
        payload=orjson.dumps({"type": type_.value, "timestamp": timestamp(at), "data": about}),
        kind=Kind.OWN,
    )


def _about(cause: Cause) -> dict[str, object]:
    pbx, _, call_id = cause.head.call.partition("/")
    event = cause.event
    return {
        "event_id": cause.head.event_id,
        "event_type": None if event is None else event.type.value,
        "occurred_at": None if event is None else timestamp(event.occurred_at),
        "pbx": pbx,
        "call_id": call_id,
        "sequence": cause.head.sequence,
    }
