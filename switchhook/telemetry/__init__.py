"""Telemetry: logs as JSON lines, metrics conventions, traces that cost nothing when they are off."""

from switchhook.telemetry.logs import configure_logging, mask
from switchhook.telemetry.metrics import LATENCY_BUCKETS, preset
from switchhook.telemetry.neighbours import DatabaseMetrics, ProducerMetrics, SinkMetrics, sink_metrics
from switchhook.telemetry.traceparent import (
    TraceParent,
    derived,
    format_traceparent,
    is_sampled,
    parse_traceparent,
    trace_id_of,
)
from switchhook.telemetry.tracing import Tracing, configure_tracing

__all__ = [
    "LATENCY_BUCKETS",
    "DatabaseMetrics",
    "ProducerMetrics",
    "SinkMetrics",
    "TraceParent",
    "Tracing",
    "configure_logging",
    "configure_tracing",
    "derived",
    "format_traceparent",
    "is_sampled",
    "mask",
    "parse_traceparent",
    "preset",
    "sink_metrics",
    "trace_id_of",
]
