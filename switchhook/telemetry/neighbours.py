"""What every service measures of those it leans on: its database, the sinks it publishes to, the producers it serves.

The services of one process share the families, told apart by the label `service`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from switchhook.telemetry.metrics import LATENCY_BUCKETS, outbox_age, shared

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from prometheus_client import CollectorRegistry

_BUCKETS = (0.00025, 0.0005, *LATENCY_BUCKETS)


class DatabaseKind(StrEnum):
    """What was asked of a database."""

    COMMIT = "commit"
    QUERY = "query"


class Refusal(StrEnum):
    """Why a database did not do it.

    `CONSTRAINT` may be a collision of replicas, which is tried again; `LEASE`: it belongs to another replica by now.
    """

    FULL = "full"
    CONSTRAINT = "constraint"
    LEASE = "lease"
    BROKEN = "broken"


class GrpcCode(StrEnum):
    """How a sink answered a batch: gRPC's own words for it."""

    OK = "ok"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    INVALID_ARGUMENT = "invalid_argument"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class DatabaseMetrics:
    """One service's database."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        seconds = shared(
            registry,
            "switchhook_database_seconds",
            lambda name: Histogram(
                name,
                "What a service waited for its database: for a unit to be durable, for the answer to a query.",
                ["service", "kind"],
                buckets=_BUCKETS,
                registry=registry,
            ),
        )
        errors = shared(
            registry,
            "switchhook_database_errors_total",
            lambda name: Counter(
                name, "Units and queries that the database refused.", ["service", "reason"], registry=registry
            ),
        )
        self.commit = seconds.labels(service, DatabaseKind.COMMIT)
        self.query = seconds.labels(service, DatabaseKind.QUERY)
        self._errors = {reason: errors.labels(service, reason) for reason in Refusal}

    def refused(self, reason: Refusal) -> None:
        """Nothing was kept, or nothing read."""
        self._errors[reason].inc()


class SinkMetrics:
    """One sink, as a service that publishes to it sees it."""

    def __init__(self, registry: CollectorRegistry, service: str, sink: str) -> None:
        seconds = shared(
            registry,
            "switchhook_grpc_client_seconds",
            lambda name: Histogram(
                name,
                "From sending a batch of events until the sink acknowledged it (Publish, the producer's side).",
                ["service", "sink"],
                buckets=_BUCKETS,
                registry=registry,
            ),
        )
        connected = shared(
            registry,
            "switchhook_sink_connected",
            lambda name: Gauge(name, "1 while the sink takes events.", ["service", "sink"], registry=registry),
        )
        self._age = outbox_age(registry).labels(service, sink)
        self._answered = seconds.labels(service, sink)
        self._connected = connected.labels(service, sink)

    def answered(self, seconds: float) -> None:
        """A batch was acknowledged after so long."""
        self._answered.observe(seconds)

    def connected(self, is_connected: bool) -> None:
        """It takes events, or does not any more."""
        self._connected.set(is_connected)

    def oldest(self, age: timedelta) -> None:
        """How long the first event that it has not acknowledged has been waiting."""
        self._age.set(age.total_seconds())


class ProducerMetrics:
    """All producers together, as a sink sees them."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        seconds = shared(
            registry,
            "switchhook_grpc_server_seconds",
            lambda name: Histogram(
                name,
                "From taking a batch of events until it is durable (Publish, the sink's side).",
                ["service", "code"],
                buckets=_BUCKETS,
                registry=registry,
            ),
        )
        self._accepted = {code.value: seconds.labels(service, code) for code in GrpcCode}

    def accepted(self, code: str, seconds: float) -> None:
        """A batch was answered with this code."""
        self._accepted[code].observe(seconds)


def sink_metrics(registry: CollectorRegistry, service: str, sinks: Iterable[str]) -> dict[str, SinkMetrics]:
    """By sink."""
    return {sink: SinkMetrics(registry, service, sink) for sink in sinks}
