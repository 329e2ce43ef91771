"""Traces by OpenTelemetry over OTLP/gRPC; imported by `tracing` only when they are wanted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from switchhook.telemetry.traceparent import TraceParent, format_traceparent, parse_traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EXPORT_TIMEOUT = 3  # seconds; a collector that is away must not delay a shutdown


class OtlpTracing:
    """See `Tracing`."""

    def __init__(self, endpoint: str, service: str) -> None:
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_EXPORT_TIMEOUT
        )
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("switchhook")

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        *,
        parent: str = "",
        link: str = "",
        attributes: Mapping[str, str | int | float | bool] | None = None,
    ) -> Iterator[str]:
        """See `Tracing.span`."""
        parent_context, link_context = _span_context(parent), _span_context(link)
        with self._tracer.start_as_current_span(
            name,
            context=set_span_in_context(NonRecordingSpan(parent_context)) if parent_context else None,
            links=[Link(link_context)] if link_context else None,
            attributes=attributes,
        ) as span:
            context = span.get_span_context()
            yield format_traceparent(
                TraceParent(trace_id=context.trace_id, span_id=context.span_id, is_sampled=context.trace_flags.sampled)
            )

    def shutdown(self) -> None:
        """See `Tracing.shutdown`."""
        self._provider.shutdown()


def _span_context(traceparent: str) -> SpanContext | None:
    parent = parse_traceparent(traceparent)
    if parent is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
