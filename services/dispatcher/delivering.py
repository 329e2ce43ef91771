"""One turn of a delivery, from its event to what came of it, committed: render, attempt, classify, settle, say so.

Promises that the settlement is written however often the database refuses, and that a cancellation after the attempt
does not undo it; a process that is killed in between sends the same delivery again, with the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import call_facts
from services.dispatcher.attempt_log import Attempt
from services.dispatcher.consequence import Consequence, consequence, deserves_second_try, is_too_late
from services.dispatcher.deliveries import Kind, Settlement, Status
from services.dispatcher.endpoints import CLASS_BY_TYPE
from services.dispatcher.faults import redacted
from services.dispatcher.formats import TemplateError, render
from services.dispatcher.gate import EndpointState
from services.dispatcher.lanes import Settled
from services.dispatcher.outcome import Failure, Reason, Response, classify, kind_of, reason_of
from services.dispatcher.own_events import Cause, own_request
from services.dispatcher.ready import Rank
from switchhook.errors import CodecError, StorageError
from switchhook.telemetry.traceparent import is_sampled, trace_id_of
from switchhook.telemetry.tracing import NEARBY

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.dispatcher.attempt import Connections
    from services.dispatcher.deliveries import Deliveries, Head
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats import FileAddress, HttpRequest
    from services.dispatcher.metrics import EndpointMetrics
    from services.dispatcher.outcome import Outcome
    from services.dispatcher.ready import Turn
    from services.dispatcher.recent import RecentEvents
    from services.dispatcher.settling import Settling
    from services.dispatcher.watch import Watch
    from switchhook.events import Event
    from switchhook.runtime.clock import Clock
    from switchhook.storage.database import Statement
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

STORAGE_PAUSE = timedelta(seconds=1)
_UNTRIED = classify(Failure(reason=Reason.INTERNAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all endpoints share. `random` gives numbers in [0, 1); `jitter` is the largest share of a delay."""

    deliveries: Deliveries
    settling: Settling
    recent: RecentEvents
    links: FileAddress
    clock: Clock
    random: Callable[[], float]
    jitter: float
    tracing: Tracing


@dataclass(slots=True)
class _Tries:
    """The attempts of one turn; `outcome` is that of the last one."""

    event: Event | None
    outcome: Outcome
    traceparent: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    told: list[Statement] = field(default_factory=list)


class Delivering:
    """Takes the turns of one endpoint, several at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connections: Connections,
        metrics: EndpointMetrics,
        watch: Watch,
        surroundings: Surroundings,
    ) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._metrics = metrics
        self._watch = watch
        self._around = surroundings

    async def take(self, turn: Turn) -> Settled:
        """Make the attempt whose turn it is; comes back when its outcome is committed."""
        head, now = turn.head, self._around.clock()
        if is_too_late(head, now=now):
            return await self._expire(head)
        self._metrics.in_flight.inc()
        try:
            tries = await self._try(turn)
        finally:
            self._metrics.in_flight.dec()
        now = self._around.clock()
        follows = consequence(
            tries.outcome,
            head,
            schedule=self._endpoint.schedule,
            made=len(tries.attempts),
            now=now,
            jitter=self._around.jitter * (2 * self._around.random() - 1),
        )
        if follows.status is Status.DELIVERED and tries.event is not None and head.kind is Kind.CALL:
            self._metrics.delivered(
                CLASS_BY_TYPE[tries.event.type],
                now - tries.event.observed_at,
                traceparent=tries.event.traceparent,
            )
        for attempt in tries.attempts:
            is_last = attempt is tries.attempts[-1]
            self._log(head, tries.event, attempt, follows if is_last else None)
        cause = Cause(head=head, event=tries.event)
        pausing, told = self._watch.consequences(follows, tries.attempts[-1], cause, now=now)
        settlement = Settlement(
            status=follows.status,
            reason=follows.reason,
            at=now,
            due_at=follows.due_at,
            attempts=tuple(tries.attempts),
            earlier_attempts=follows.earlier_attempts,
        )
        told = [*tries.told, *told]
        settled = await self._settle(head, settlement, also=[*pausing, *told])
        self._watch.committed(told)
        return settled

    async def _try(self, turn: Turn) -> _Tries:
        head = turn.head
        tries = _Tries(turn.event, _UNTRIED)
        while True:
            started_at = self._around.clock()
            number = head.attempts + len(tries.attempts) + 1
            result = await self._attempt(head, tries, number)
            ended_at = self._around.clock()
            took = max(ended_at - started_at, timedelta(0))
            tries.outcome = classify(result)
            attempt = _attempt_of(number, result, tries.outcome, (started_at, took))
            tries.attempts.append(attempt)
            self._trace(tries, attempt, ended_at)
            self._metrics.attempted(attempt.outcome, attempt.reason, took)
            cause = Cause(head=head, event=tries.event)
            tries.told += self._watch.attempted(attempt, cause, now=ended_at, is_probe=turn.rank is Rank.PROBE)
            is_closed = self._watch.gate.state is not EndpointState.ACTIVE
            if is_closed or not deserves_second_try(result, head, made=len(tries.attempts), took=took):
                return tries
            self._watch.gate.started(now=ended_at)

    async def _attempt(self, head: Head, tries: _Tries, number: int) -> Response | Failure:
        now = self._around.clock()
        tries.traceparent = ""
        try:
            if head.kind is Kind.OWN:
                return await self._connections.attempt(
                    _marked(own_request(head.payload, self._endpoint), head), event_id=head.event_id, now=now
                )
            event = tries.event = tries.event or self._around.recent.of(head)
            request = _marked(render(event, self._endpoint, self._around.links), head)
            around = self._around.tracing.under if _is_near(event, now) else self._around.tracing.apart
            tries.traceparent = around(event.traceparent)
            return await self._connections.attempt(request, event_id=event.id, now=now, traceparent=tries.traceparent)
        except CodecError as error:
            tries.event = None
            return Failure(reason=Reason.UNREADABLE, detail=str(error))
        except TemplateError as error:
            return Failure(reason=Reason.TEMPLATE, detail=redacted(str(error)))
        except Exception:  # the lane's boundary: an unforeseen error must cost one attempt, not the endpoint
            log.exception("delivery.broken", extra={"endpoint": self._endpoint.name, "event_id": head.event_id})
            return Failure(reason=Reason.INTERNAL)

    def _trace(self, tries: _Tries, attempt: Attempt, ended_at: datetime) -> None:
        """An attempt belongs to its event's trace; one that is made hours later has its own, linked to that."""
        event = tries.event
        if event is None or not is_sampled(tries.traceparent) or not self._around.tracing.is_on:
            return
        is_near = _is_near(event, attempt.started_at)
        self._around.tracing.record(
            "delivery.attempt",
            tries.traceparent,
            parent=event.traceparent if is_near else "",
            link="" if is_near else event.traceparent,
            began=attempt.started_at,
            ended=ended_at,
            attributes={
                "endpoint": self._endpoint.name,
                "event_id": str(event.id),
                "attempt": attempt.number,
                "outcome": attempt.outcome.value,
                "reason": attempt.reason.value,
                "status": attempt.status or 0,
            },
        )

    async def _expire(self, head: Head) -> Settled:
        facts = {
            "endpoint": self._endpoint.name,
            "event_id": head.event_id,
            **call_facts(head.call),
            "reason": Reason.DEADLINE.value,
        }
        log.info("delivery.expired", extra=facts)
        settlement = Settlement(
            status=Status.EXPIRED,
            reason=Reason.DEADLINE,
            at=self._around.clock(),
            earlier_attempts=head.earlier_attempts,
        )
        return await self._settle(head, settlement)

    async def _settle(self, head: Head, settlement: Settlement, *, also: list[Statement] | None = None) -> Settled:
        is_refused = False
        while True:
            try:
                next_head = await self._around.settling.settle(self._endpoint.name, head, settlement, also=also or ())
            except StorageError as error:
                if not is_refused:
                    facts = {"endpoint": self._endpoint.name, "event_id": head.event_id, "error": str(error)}
                    log.error("delivery.unsettled", extra=facts)  # noqa: TRY400 - foreseen: the sentence says it all
                is_refused = True
                await asyncio.sleep(STORAGE_PAUSE.total_seconds())
            else:
                self._metrics.settled(settlement.status)
                return Settled(next_head=next_head, due_at=settlement.due_at)

    def _log(self, head: Head, event: Event | None, attempt: Attempt, follows: Consequence | None) -> None:
        """`follows` is None when another attempt follows at once."""
        status = Status.PENDING if follows is None else follows.status
        level = logging.WARNING if status is Status.DEAD else logging.INFO
        if not log.isEnabledFor(level):
            return
        due_at = attempt.started_at + attempt.duration if follows is None else follows.due_at
        facts: dict[str, object] = {
            "endpoint": self._endpoint.name,
            "event_id": head.event_id,
            **(call_facts(head.call) if head.kind is Kind.CALL else {}),
            "type": None if event is None else event.type.value,
            "attempt": attempt.number,
            "outcome": attempt.outcome.value,
            "reason": attempt.reason.value,
            "status": attempt.status,
            "duration_ms": attempt.duration // timedelta(milliseconds=1),
            "delivery": status.value,
            "next_attempt_at": None if due_at is None else due_at.isoformat(timespec="seconds"),
        }
        if event is not None:
            facts["trace_id"] = trace_id_of(event.traceparent)
            if status is Status.DELIVERED:
                latency = attempt.started_at + attempt.duration - event.observed_at
                facts["latency_ms"] = latency // timedelta(milliseconds=1)

        log.log(level, "delivery.attempted", extra=facts)


def _marked(request: HttpRequest, head: Head) -> HttpRequest:
    """A receiver may want to know that an operator sent it anew: its id alone says only that it may be a repeat."""
    if not head.replays:
        return request
    return replace(request, headers={**request.headers, "webhook-replay": "true"})


def _is_near(event: Event, now: datetime) -> bool:
    return now - event.observed_at <= NEARBY


def _attempt_of(number: int, result: Response | Failure, outcome: Outcome, time: tuple[datetime, timedelta]) -> Attempt:
    started_at, duration = time
    answer = result if isinstance(result, Response) else None
    return Attempt(
        number=number,
        started_at=started_at,
        duration=duration,
        status=None if answer is None else answer.status,
        outcome=kind_of(outcome),
        reason=reason_of(outcome),
        excerpt=result.excerpt if isinstance(result, Response) else result.detail,
        address=result.address,
        response_body="" if answer is None else answer.body,
        response_bytes=0 if answer is None else answer.body_bytes,
    )
