"""The watch over one endpoint: what attempts say about it, to its gate, to the operator, to the log and to health."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.dispatcher.availability import Availability
from services.dispatcher.breaker import BreakerChange
from services.dispatcher.deliveries import Kind, Status
from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import ADVICE_BY_REASON, OWN_FAULTS, OutcomeKind, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dispatcher.attempt_log import Attempt
    from services.dispatcher.consequence import Consequence
    from services.dispatcher.endpoint_states import Endpoints
    from services.dispatcher.gate import Gate
    from services.dispatcher.own_events import Cause, OwnEvents
    from switchhook.runtime.health import ServiceHealth
    from switchhook.storage.database import Statement

log = logging.getLogger(__name__)

# The breaker is not for these: the fault is on this side, or in the one delivery.
NO_FAULT_OF_THE_ENDPOINT = OWN_FAULTS | {Reason.ABORTED}


class Watch:
    """Makes statements, and leaves it to the caller to commit them with the settlement."""

    def __init__(
        self, endpoint: str, *, gate: Gate, endpoints: Endpoints, own_events: OwnEvents, health: ServiceHealth
    ) -> None:
        self.gate = gate
        self._endpoint = endpoint
        self._endpoints = endpoints
        self._own_events = own_events
        self._health = health
        self._availability = Availability()
        self._owed: list[Statement] = []

    def attempted(self, attempt: Attempt, cause: Cause, *, now: datetime, is_probe: bool) -> list[Statement]:
        """An attempt was made; what is to be told of it. Nothing may be awaited between this and `consequences`."""
        self._note_availability(attempt, now)
        if attempt.outcome is OutcomeKind.PAUSED or attempt.reason in NO_FAULT_OF_THE_ENDPOINT:
            return []
        since, outage = self.gate.since, self.gate.outage
        change = self.gate.attempted(attempt.reason, started_at=attempt.started_at, now=now, is_probe=is_probe)
        match change:
            case BreakerChange.OPENED:
                facts = {"endpoint": self._endpoint, "reason": attempt.reason.value}
                log.warning("endpoint.parked", extra=facts)
                self._owed = self._endpoints.opened(self._endpoint)
                tell = self._own_events.opened if self._owed else self._own_events.paused
                return tell(self._endpoint, EndpointState.OPEN, attempt.reason, at=now, cause=cause)
            case BreakerChange.CLOSED:
                log.info("endpoint.recovered", extra={"endpoint": self._endpoint})
                self._owed = self._endpoints.closed(self._endpoint, since=outage)
                return self._own_events.recovered(self._endpoint, since=since, at=now, cause=cause)
            case None:
                return []

    def consequences(
        self, follows: Consequence, last: Attempt, cause: Cause, *, now: datetime
    ) -> tuple[list[Statement], list[Statement]]:
        """What makes a pause or an outage durable, and what is to be told; a pause begins at once."""
        durable, self._owed = self._owed, []
        told: list[Statement] = []
        if follows.pause is not Reason.NONE and self.gate.state is not EndpointState.PAUSED:
            durable += self._endpoints.pausing(self._endpoint, follows.pause, at=now)
            told += self._own_events.paused(self._endpoint, EndpointState.PAUSED, follows.pause, at=now, cause=cause)
            self._endpoints.shut(self._endpoint, follows.pause, since=now)
        if follows.status is Status.DEAD and cause.head.kind is Kind.CALL:
            told += self._own_events.dead(
                self._endpoint, follows.reason, attempts=last.number, status=last.status, at=now, cause=cause
            )
        return durable, told

    def committed(self, told: Sequence[Statement]) -> None:
        """What was to be told is in the table."""
        self._own_events.committed(told)

    def _note_availability(self, attempt: Attempt, now: datetime) -> None:
        name = self._endpoint
        if attempt.outcome is OutcomeKind.DELIVERED:
            outage = self._availability.succeeded(now=now)
            if outage is not None:
                self._health.solved(f"endpoint {name}")
                log.info("endpoint.up", extra={"endpoint": name, "outage_s": round(outage.total_seconds(), 1)})
        elif self._availability.failed(attempt.reason, now=now):
            # The refusal of an address names the key to set; no general advice could.
            advice = attempt.excerpt if attempt.reason is Reason.FORBIDDEN_ADDRESS else ADVICE_BY_REASON[attempt.reason]
            self._health.problem(f"endpoint {name}", f"endpoint {name}: {advice}")
            log.warning("endpoint.down", extra={"endpoint": name, "reason": attempt.reason.value, "advice": advice})
