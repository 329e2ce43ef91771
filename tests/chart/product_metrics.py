"""The names under which the product's own metrics are read."""

from __future__ import annotations

from services.commands.process import process_registry
from services.dispatcher.metrics import DispatcherMetrics
from services.fileserver.metrics import FileserverMetrics
from services.monitor.metrics import MonitorMetrics
from services.recorder.metrics import RecorderMetrics


def product_metrics() -> set[str]:
    """Names of all samples, such as `switchhook_pbx_connected`."""
    registry = process_registry()
    MonitorMetrics(registry, ["main"], ["dispatcher:50051"])
    DispatcherMetrics(registry, endpoints=["crm"])
    RecorderMetrics(registry)
    FileserverMetrics(registry)
    return {sample.name for metric in registry.collect() for sample in metric.samples}
