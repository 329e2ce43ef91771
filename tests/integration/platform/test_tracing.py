"""Traces over OTLP to a real collector's service."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from switchhook.telemetry import configure_tracing, parse_traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.requests: list[trace_service_pb2.ExportTraceServiceRequest] = []

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, _context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # generated without types
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield collector, f"http://127.0.0.1:{port}"
        server.stop(None).wait()


async def test_spans_reach_the_collector_with_their_parent_and_link(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector
    tracing = configure_tracing(endpoint, "monitor")
    with tracing.span("call.ended", parent=PARENT, attributes={"pbx": "main"}) as traceparent:
        parent = parse_traceparent(traceparent)
    with tracing.span("delivery", link=PARENT):
        pass
    await asyncio.to_thread(tracing.shutdown)
    [resource] = received.requests[0].resource_spans
    ended, delivery = resource.scope_spans[0].spans
    assert parent is not None
    assert (ended.name, ended.trace_id.hex(), ended.parent_span_id.hex()) == ("call.ended", PARENT[3:35], PARENT[36:52])
    assert ended.span_id == parent.span_id.to_bytes(8, "big")
    assert delivery.links[0].trace_id.hex() == PARENT[3:35]
    assert delivery.trace_id != ended.trace_id
