"""What the dispatcher counts. Every combination of labels exists from the start, so that rates begin at zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from services.dispatcher.deliveries import Status
from services.dispatcher.endpoints import EventClass
from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import NOT_OF_ATTEMPTS, OutcomeKind, Reason
from switchhook.telemetry.metrics import LATENCY_BUCKETS
from switchhook.telemetry.neighbours import DatabaseMetrics, ProducerMetrics
from switchhook.telemetry.traceparent import is_sampled, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from prometheus_client import CollectorRegistry

    from services.dispatcher.gate import Gate

PAUSING = frozenset({Reason.GONE, Reason.DISABLED})

# Seconds: from a call that rings at this moment to an endpoint that comes back the next day. The client has no native
# histograms, but Prometheus can make them of these (docs/metrics.md), so they are close together.
DELIVERY_BUCKETS = (
    *(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0),
)


class Count:
    """A number that a gauge shows when it is asked: it changes far more often."""

    def __init__(self, gauge: Gauge) -> None:
        self.value = 0
        gauge.set_function(lambda: float(self.value))

    def set(self, value: int) -> None:
        """It is this many now."""
        self.value = value

    def inc(self, by: int = 1) -> None:
        """More."""
        self.value += by

    def dec(self, by: int = 1) -> None:
        """Fewer."""
        self.value -= by


class EndpointMetrics:
    """One endpoint's share of the metrics, its labels already resolved: they are touched a thousand times a second."""

    def __init__(self, metrics: DispatcherMetrics, endpoint: str) -> None:
        self.pending = Count(metrics.pending.labels(endpoint))
        self.oldest_due_age = metrics.oldest_due_age.labels(endpoint)
        self.dead = metrics.dead.labels(endpoint)
        self.expired = metrics.expired.labels(endpoint)
        self._parked = metrics.parked.labels(endpoint)
        self._states = {state: metrics.state.labels(endpoint, state) for state in EndpointState}
        self._states[EndpointState.ACTIVE].set(1)
        self._attempts = {
            (OutcomeKind.DELIVERED, Reason.NONE): metrics.attempts.labels(endpoint, OutcomeKind.DELIVERED, "")
        } | {
            (outcome, reason): metrics.attempts.labels(endpoint, outcome, reason)
            for outcome in (OutcomeKind.RETRY, OutcomeKind.REJECTED, OutcomeKind.PAUSED)
            for reason in Reason
            if reason not in NOT_OF_ATTEMPTS and (reason in PAUSING) == (outcome is OutcomeKind.PAUSED)
        }
        self.in_flight = Count(metrics.in_flight.labels(endpoint))
        self._duration = metrics.duration.labels(endpoint)
        self._latency = {kind: metrics.latency.labels(endpoint, kind) for kind in EventClass}

    def attempted(self, outcome: OutcomeKind, reason: Reason, took: timedelta) -> None:
        """Count an attempt."""
        self._attempts[outcome, reason].inc()
        self._duration.observe(took.total_seconds())

    def settled(self, status: Status) -> None:
        """Count what a committed turn left behind."""
        if status is not Status.PENDING:
            self.pending.dec()
        if status is Status.DEAD:
            self.dead.inc()
        if status is Status.EXPIRED:
            self.expired.inc()

    def show(self, gate: Gate) -> None:
        """Let the gate say, whenever it is asked, what state the endpoint is in and how much is parked for it."""
        for state, gauge in self._states.items():
            gauge.set_function(partial(_is_in, gate, state))
        self._parked.set_function(lambda: 0.0 if gate.state is EndpointState.ACTIVE else float(self.pending.value))

    def delivered(self, event_class: EventClass, latency: timedelta, *, traceparent: str) -> None:
        """Note how long after the PBX's word of the event the endpoint had it, with the event's trace as exemplar."""
        exemplar = {"trace_id": trace_id_of(traceparent) or ""} if is_sampled(traceparent) else None
        self._latency[event_class].observe(max(latency.total_seconds(), 0.0), exemplar)


def _is_in(gate: Gate, state: EndpointState) -> float:
    return float(gate.state is state)


class DispatcherMetrics:
    """All metrics of one dispatcher, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry, *, endpoints: Iterable[str]) -> None:
        self.database = DatabaseMetrics(registry, "dispatcher")
        self.producers = ProducerMetrics(registry, "dispatcher")
        self._intake_metrics(registry)
        self._delivery_metrics(registry)
        self.by_endpoint = {name: EndpointMetrics(self, name) for name in endpoints}

    def _intake_metrics(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter("switchhook_events_accepted_total", "Events committed.", registry=registry)
        self.repeated = Counter(
            "switchhook_events_repeated_total", "Events dropped because they were known.", registry=registry
        )
        self.held = Gauge(
            "switchhook_events_held", "Events that wait for earlier ones of their call.", registry=registry
        )

    def _delivery_metrics(self, registry: CollectorRegistry) -> None:
        self.pending = Gauge(
            "switchhook_deliveries_pending", "Deliveries not finished.", ["endpoint"], registry=registry
        )
        self.parked = Gauge(
            "switchhook_deliveries_parked",
            "Deliveries that wait until their endpoint recovers or is resumed.",
            ["endpoint"],
            registry=registry,
        )
        self.state = Gauge(
            "switchhook_endpoint_state", "1 for the state it is in.", ["endpoint", "state"], registry=registry
        )
        self.oldest_due_age = Gauge(
            "switchhook_delivery_oldest_due_age_seconds",
            "How long the delivery that was due first has been due.",
            ["endpoint"],
            registry=registry,
        )
        self.attempts = Counter(
            "switchhook_delivery_attempts_total",
            "HTTP requests made.",
            ["endpoint", "outcome", "reason"],
            registry=registry,
        )
        self.latency = Histogram(
            "switchhook_delivery_latency_seconds",
            "From the PBX's word of an event to the endpoint's 2xx; exemplars carry the `trace_id`.",
            ["endpoint", "event_class"],
            buckets=DELIVERY_BUCKETS,
            registry=registry,
        )
        self.duration = Histogram(
            "switchhook_delivery_attempt_seconds",
            "One HTTP request, whatever came of it.",
            ["endpoint"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "switchhook_deliveries_in_flight", "Deliveries whose turn it is.", ["endpoint"], registry=registry
        )
        self.dead = Counter("switchhook_deliveries_dead_total", "Deliveries given up.", ["endpoint"], registry=registry)
        self.expired = Counter(
            "switchhook_deliveries_expired_total", "Deliveries past their deadline.", ["endpoint"], registry=registry
        )

    def of(self, endpoint: str) -> EndpointMetrics:
        """One configured endpoint's."""
        return self.by_endpoint[endpoint]
