"""One turn of a delivery, from its event to what came of it, committed: render, attempt, classify, settle, say so.

Promises that the settlement is written however often the database refuses, and that a cancellation after the attempt
does not undo it; a process that is killed in between sends the same delivery again, with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.availability import Availability
from services.dispatcher.deliveries import Attempt, Status
from services.dispatcher.endpoints import CLASS_BY_TYPE
from services.dispatcher.formats import render
from services.dispatcher.lanes import Settled, Turn
from services.dispatcher.outcome import (
    ADVICE_BY_REASON,
    Delivered,
    Failure,
    Reason,
    Rejected,
    Response,
    Retry,
    classify,
    kind_of,
    reason_of,
)
from services.dispatcher.retry import next_attempt_at, parse_retry_after
from switchhook.errors import CodecError, StorageError
from switchhook.rpc.codec import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from services.dispatcher.attempt import Connections
    from services.dispatcher.deliveries import Deliveries, Head
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats import FileAddress
    from services.dispatcher.metrics import EndpointMetrics
    from services.dispatcher.outcome import Outcome
    from switchhook.events import Event
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

STORAGE_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all endpoints share. `random` gives numbers in [0, 1); `jitter` is the largest share of a delay."""

    deliveries: Deliveries
    links: FileAddress
    clock: Clock
    random: Callable[[], float]
    jitter: float
    health: ServiceHealth
    tracing: Tracing


class Delivering:
    """Takes the turns of one endpoint, several at once."""

    def __init__(
        self, endpoint: Endpoint, *, connections: Connections, metrics: EndpointMetrics, surroundings: Surroundings
    ) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._metrics = metrics
        self._around = surroundings
        self._availability = Availability()

    async def take(self, turn: Turn) -> Settled:
        """Make the attempt whose turn it is; comes back when its outcome is committed."""
        started_at = self._around.clock()
        event, result = await self._attempt(turn, started_at)
        ended_at = self._around.clock()
        outcome = classify(result)
        attempt = Attempt(
            number=turn.head.attempts + 1,
            started_at=started_at,
            duration=max(ended_at - started_at, timedelta(0)),
            status=result.status if isinstance(result, Response) else None,
            outcome=kind_of(outcome),
            reason=reason_of(outcome),
            excerpt=result.excerpt if isinstance(result, Response) else result.detail,
        )
        status, due_at = self._consequence(outcome, attempt.number, ended_at)
        self._metrics.attempted(attempt.outcome, attempt.reason)
        if status is Status.DELIVERED and event is not None:
            self._metrics.delivered(CLASS_BY_TYPE[event.type], ended_at - event.observed_at)
        self._log(turn.head, event, attempt, status, due_at)
        self._watch(outcome, ended_at)
        settled = await self._settle(turn.head, attempt, status, at=ended_at, due_at=due_at)
        self._metrics.settled(status)
        return settled

    async def _attempt(self, turn: Turn, now: datetime) -> tuple[Event | None, Response | Failure]:
        event = turn.event
        try:
            if event is None:
                event = decode(turn.head.payload)
            request = render(event, self._endpoint, self._around.links)
            with self._span(turn.head, event) as traceparent:
                return event, await self._connections.attempt(
                    request, event_id=event.id, now=now, traceparent=traceparent
                )
        except CodecError as error:
            return None, Failure(reason=Reason.UNREADABLE, detail=str(error))
        except Exception:  # the lane's boundary: an unforeseen error must cost one attempt, not the endpoint
            log.exception("delivery.broken", extra={"endpoint": self._endpoint.name, "event_id": turn.head.event_id})
            return event, Failure(reason=Reason.INTERNAL)

    def _span(self, head: Head, event: Event) -> AbstractContextManager[str]:
        """The first attempt belongs to the event's own trace; a later one, perhaps hours later, is linked to it."""
        is_first = head.attempts == 0
        return self._around.tracing.span(
            "delivery.attempt",
            parent=event.traceparent if is_first else "",
            link="" if is_first else event.traceparent,
            attributes={"endpoint": self._endpoint.name, "event_id": event.id, "attempt": head.attempts + 1},
        )

    def _consequence(self, outcome: Outcome, attempt: int, now: datetime) -> tuple[Status, datetime | None]:
        match outcome:
            case Delivered():
                return Status.DELIVERED, None
            case Rejected():
                return Status.DEAD, None
            case Retry(overloaded=overloaded, retry_after=retry_after):
                due_at = next_attempt_at(
                    self._endpoint.schedule,
                    attempt=attempt,
                    now=now,
                    jitter=self._around.jitter * (2 * self._around.random() - 1),
                    overloaded=overloaded,
                    retry_after=parse_retry_after(retry_after, now=now),
                )
                return (Status.DEAD if due_at is None else Status.PENDING), due_at

    async def _settle(
        self, head: Head, attempt: Attempt, status: Status, *, at: datetime, due_at: datetime | None
    ) -> Settled:
        is_refused = False
        while True:
            try:
                next_head = await asyncio.shield(
                    self._around.deliveries.settle(
                        self._endpoint.name, head, attempt, status=status, at=at, due_at=due_at
                    )
                )
            except StorageError as error:
                if not is_refused:
                    facts = {"endpoint": self._endpoint.name, "event_id": head.event_id, "error": str(error)}
                    log.error("delivery.unsettled", extra=facts)  # noqa: TRY400 - foreseen: the sentence says it all
                is_refused = True
                await asyncio.sleep(STORAGE_PAUSE.total_seconds())
            else:
                return Settled(next_head=next_head, due_at=due_at)

    def _log(self, head: Head, event: Event | None, attempt: Attempt, status: Status, due_at: datetime | None) -> None:
        level = logging.WARNING if status is Status.DEAD else logging.INFO
        if not log.isEnabledFor(level):
            return
        facts = {
            "endpoint": self._endpoint.name,
            "event_id": head.event_id,
            "type": None if event is None else event.type.value,
            "attempt": attempt.number,
            "outcome": attempt.outcome.value,
            "reason": attempt.reason.value,
            "status": attempt.status,
            "duration_ms": attempt.duration // timedelta(milliseconds=1),
            "delivery": status.value,
            "next_attempt_at": None if due_at is None else due_at.isoformat(timespec="seconds"),
        }
        log.log(level, "delivery.attempted", extra=facts)

    def _watch(self, outcome: Outcome, now: datetime) -> None:
        name = self._endpoint.name
        if isinstance(outcome, Delivered):
            outage = self._availability.succeeded(now=now)
            if outage is not None:
                self._around.health.solved(f"endpoint {name}")
                log.info("endpoint.up", extra={"endpoint": name, "outage_s": round(outage.total_seconds(), 1)})
        elif self._availability.failed(outcome.reason, now=now):
            advice = ADVICE_BY_REASON[outcome.reason]
            self._around.health.problem(f"endpoint {name}", f"endpoint {name}: {advice}")
            log.warning("endpoint.down", extra={"endpoint": name, "reason": outcome.reason.value, "advice": advice})
