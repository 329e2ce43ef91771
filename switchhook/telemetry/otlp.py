"""Traces by OpenTelemetry over OTLP/gRPC; imported by `tracing` only when they are wanted.

Spans are handed to OpenTelemetry when they are over, with the ids that they were known by before: its own tracer gives
a span no id that another process could derive, and costs several times as much.
"""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

import switchhook
from switchhook.telemetry.traceparent import is_sampled, of_call
from switchhook.telemetry.tracing import OpenSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Attributes = Mapping[str, str | int | float | bool]

_EXPORT_TIMEOUT = 3  # seconds; a collector that is away must not delay a shutdown
_MOST_WAITING = 8_192  # spans; more are dropped, lest a collector that is away fills the memory
_KNOWN_CALLS = 4_096  # of which each event asks
_SEND_EVERY = 2_000  # milliseconds
_SPAN_BITS, _TRACE_BITS = 64, 128
_SPAN_ID = slice(36, 52)  # of a traceparent, whose form is fixed
_TRACE_ID = slice(3, 35)
_FINE = Status()
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _OneResource(Resource):
    """All spans have the same; OpenTelemetry's own turns it into JSON for each of them, to know whether it is."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class OtlpTracing:
    """See `Tracing`."""

    is_on = True

    def __init__(self, endpoint: str, service: str, *, share: float = 1.0) -> None:
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_EXPORT_TIMEOUT
        )
        self._call = lru_cache(_KNOWN_CALLS)(partial(of_call, share=share))
        known = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: switchhook.__version__})
        self._resource = _OneResource(known.attributes, known.schema_url)
        self._scope = InstrumentationScope("switchhook", switchhook.__version__)
        self._spans = BatchSpanProcessor(exporter, max_queue_size=_MOST_WAITING, schedule_delay_millis=_SEND_EVERY)

    def call(self, pbx: str, call_id: str) -> str:
        """See `Tracing.call`."""
        return self._call(pbx, call_id)

    def under(self, parent: str) -> str:
        """See `Tracing.under`."""
        return _new(parent[_TRACE_ID]) if is_sampled(parent) else parent

    def apart(self, link: str) -> str:
        """See `Tracing.apart`."""
        trace_id = random.getrandbits(_TRACE_BITS) or 1
        return _new(f"{trace_id:032x}") if is_sampled(link) else link

    def record(
        self,
        name: str,
        traceparent: str,
        *,
        began: datetime,
        ended: datetime,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
    ) -> None:
        """See `Tracing.record`."""
        if is_sampled(traceparent):
            self._record(name, traceparent, (began, ended), parent=parent, link=link, attributes=attributes)

    @contextlib.contextmanager
    def span(self, name: str, *, parent: str, attributes: Attributes | None = None) -> Iterator[OpenSpan]:
        """See `Tracing.span`."""
        if not is_sampled(parent):
            yield OpenSpan(parent)
            return
        opened = OpenSpan(self.under(parent), dict(attributes or {}))
        began, failure = datetime.now(UTC), ""  # noqa: TID251 - a collector compares with the real time
        try:
            yield opened
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            times = began, datetime.now(UTC)  # noqa: TID251 - as above
            self._record(name, opened.traceparent, times, parent=parent, attributes=opened.attributes, failure=failure)

    def shutdown(self) -> None:
        """See `Tracing.shutdown`."""
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # it has no types

    def _record(
        self,
        name: str,
        traceparent: str,
        times: tuple[datetime, datetime],
        *,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
        failure: str = "",
    ) -> None:
        self._spans.on_end(
            ReadableSpan(
                name,
                context=_context(traceparent),
                parent=_context(parent) if parent else None,
                resource=self._resource,
                attributes=attributes,
                links=(Link(_context(link)),) if link else (),
                status=Status(StatusCode.ERROR, failure) if failure else _FINE,
                start_time=_nanoseconds(times[0]),
                end_time=_nanoseconds(max(times)),
                instrumentation_scope=self._scope,
            )
        )


def _new(trace_id: str) -> str:
    return f"00-{trace_id}-{random.getrandbits(_SPAN_BITS) or 1:016x}-01"


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1_000


def _context(traceparent: str) -> SpanContext:
    return SpanContext(
        int(traceparent[_TRACE_ID], 16), int(traceparent[_SPAN_ID], 16), is_remote=False, trace_flags=_SAMPLED
    )
