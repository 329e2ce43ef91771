"""Traces over OTLP to a real collector's service."""

from __future__ import annotations

import asyncio

from switchhook.telemetry import configure_tracing, parse_traceparent
from tests.collector import collecting

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_spans_reach_the_collector_with_their_parent_and_link() -> None:
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "monitor")
        with tracing.span("call.ended", parent=PARENT, attributes={"pbx": "main"}) as traceparent:
            parent = parse_traceparent(traceparent)
        with tracing.span("delivery", link=PARENT):
            pass
        await asyncio.to_thread(tracing.shutdown)
    ended, delivery = collector.spans
    assert parent is not None
    assert (ended.name, ended.trace_id.hex(), ended.parent_span_id.hex()) == ("call.ended", PARENT[3:35], PARENT[36:52])
    assert ended.span_id == parent.span_id.to_bytes(8, "big")
    assert delivery.links[0].trace_id.hex() == PARENT[3:35]
    assert delivery.trace_id != ended.trace_id
