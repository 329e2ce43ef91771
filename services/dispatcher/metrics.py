"""What the dispatcher counts. Every combination of labels exists from the start, so that rates begin at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from services.dispatcher.deliveries import Status
from services.dispatcher.endpoints import EventClass
from services.dispatcher.outcome import OutcomeKind, Reason
from switchhook.telemetry.metrics import LATENCY_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from prometheus_client import CollectorRegistry


class EndpointMetrics:
    """One endpoint's share of the metrics, its labels already resolved: they are touched a thousand times a second."""

    def __init__(self, metrics: DispatcherMetrics, endpoint: str) -> None:
        self.pending = metrics.pending.labels(endpoint)
        self.oldest_age = metrics.oldest_age.labels(endpoint)
        self.dead = metrics.dead.labels(endpoint)
        self._attempts = {
            (OutcomeKind.DELIVERED, Reason.NONE): metrics.attempts.labels(endpoint, OutcomeKind.DELIVERED, "")
        } | {
            (outcome, reason): metrics.attempts.labels(endpoint, outcome, reason)
            for outcome in (OutcomeKind.RETRY, OutcomeKind.REJECTED)
            for reason in Reason
            if reason not in (Reason.NONE, Reason.ENDPOINT_REMOVED)
        }
        self._latency = {kind: metrics.latency.labels(endpoint, kind) for kind in EventClass}

    def attempted(self, outcome: OutcomeKind, reason: Reason) -> None:
        """Count an attempt."""
        self._attempts[outcome, reason].inc()

    def settled(self, status: Status) -> None:
        """Count what a committed attempt left behind."""
        if status is not Status.PENDING:
            self.pending.dec()
        if status is Status.DEAD:
            self.dead.inc()

    def delivered(self, event_class: EventClass, latency: timedelta) -> None:
        """Note how long after the PBX's word of the event the endpoint had it."""
        self._latency[event_class].observe(max(latency.total_seconds(), 0.0))


class DispatcherMetrics:
    """All metrics of one dispatcher, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry, *, endpoints: Iterable[str]) -> None:
        self.accepted = Counter("switchhook_events_accepted_total", "Events committed.", registry=registry)
        self.repeated = Counter(
            "switchhook_events_repeated_total", "Events dropped because they were known.", registry=registry
        )
        self.held = Gauge(
            "switchhook_events_held", "Events that wait for earlier ones of their call.", registry=registry
        )
        self.pending = Gauge(
            "switchhook_deliveries_pending", "Deliveries not finished.", ["endpoint"], registry=registry
        )
        self.oldest_age = Gauge(
            "switchhook_delivery_oldest_pending_seconds",
            "Age of the event whose delivery has been waiting longest.",
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
            "From the PBX's word of an event to the endpoint's 2xx.",
            ["endpoint", "event_class"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.dead = Counter("switchhook_deliveries_dead_total", "Deliveries given up.", ["endpoint"], registry=registry)
        self.by_endpoint = {name: EndpointMetrics(self, name) for name in endpoints}

    def of(self, endpoint: str) -> EndpointMetrics:
        """One configured endpoint's."""
        return self.by_endpoint[endpoint]
