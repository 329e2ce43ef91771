"""Conventions of the metrics: buckets, and label values that exist from the start.

A counter that appears with its first event has no rate before it; so every combination that is known is made at once.
Names are `switchhook_<service>_<noun>_<unit|total>`; labels come from enums and configured names only.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import Gauge
from prometheus_client.metrics import MetricWrapperBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import CollectorRegistry

Metric = TypeVar("Metric", bound=MetricWrapperBase)

# Seconds: from a commit on a fast disk to an endpoint's last patience.
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def shared(registry: CollectorRegistry, name: str, make: Callable[[str], Metric]) -> Metric:
    """The metric of this name: the registry's, when another service of the process has made it, else a new one."""
    known = registry._names_to_collectors.get(name)  # noqa: SLF001 - the only way to ask what is registered
    return known if known is not None else make(name)  # type: ignore[return-value]  # a name has one type everywhere


def outbox_age(registry: CollectorRegistry) -> Gauge:
    """Age of the oldest event that a sink has not acknowledged; one gauge for all services of a process that publish.

    Labels: `service` and `sink`; the monitor and the recorder of one process publish to the same dispatcher.
    """
    about = "Age of the oldest event that a sink has not acknowledged."
    return shared(
        registry,
        "switchhook_outbox_oldest_age_seconds",
        lambda name: Gauge(name, about, ["service", "sink"], registry=registry),
    )


def preset(metric: MetricWrapperBase, **values_by_label: Iterable[str]) -> None:
    """Make the metric's children for every combination of the labels' values; all labels must be given.

    An enum class is an iterable of its members: `preset(attempts, reason=Reason, endpoint=names)`.
    """
    for values in product(*values_by_label.values()):
        metric.labels(**{label: str(value) for label, value in zip(values_by_label, values, strict=True)})
