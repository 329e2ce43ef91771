"""Traces over OTLP to a real collector's service."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from switchhook.telemetry import configure_tracing, derived, is_sampled, parse_traceparent, trace_id_of
from tests.collector import collecting

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=2)


async def test_spans_reach_the_collector_with_their_parent_and_link() -> None:
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "monitor")
        with tracing.span("recording.store", parent=PARENT, attributes={"pbx": "main"}) as opened:
            opened.attributes["size"] = 12
        late = tracing.apart(PARENT)
        tracing.record("delivery.attempt", late, link=PARENT, began=NOW, ended=LATER)
        event = derived(PARENT, "main-260302090000_1-1")
        tracing.record("call.ringing", event, parent=PARENT, began=NOW, ended=LATER)
        with pytest.raises(ValueError, match="broken"), tracing.span("recording.check", parent=event):
            raise ValueError("broken")
        await asyncio.to_thread(tracing.shutdown)
    stored, delivery, ringing, check = collector.spans
    parent = parse_traceparent(opened.traceparent)
    assert parent is not None
    assert (stored.trace_id.hex(), stored.parent_span_id.hex()) == (PARENT[3:35], PARENT[36:52])
    assert stored.span_id == parent.span_id.to_bytes(8, "big")
    assert {each.key for each in stored.attributes} == {"pbx", "size"}
    assert (delivery.trace_id.hex(), delivery.parent_span_id) == (trace_id_of(late), b"")
    assert delivery.trace_id != stored.trace_id
    assert delivery.links[0].trace_id.hex() == PARENT[3:35]
    assert delivery.end_time_unix_nano - delivery.start_time_unix_nano == 2_000_000_000
    assert ringing.span_id.hex() == event[36:52]
    assert (check.parent_span_id, check.status.code, check.status.message) == (ringing.span_id, 2, "ValueError")


async def test_what_is_not_sampled_is_passed_on_and_not_recorded() -> None:
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "monitor")
        with tracing.span("recording.store", parent=UNSAMPLED) as opened:
            assert opened.traceparent == UNSAMPLED
        assert tracing.under(UNSAMPLED) == tracing.apart(UNSAMPLED) == UNSAMPLED
        tracing.record("call.ringing", UNSAMPLED, began=NOW, ended=NOW)
        tracing.record("call.ringing", "", began=NOW, ended=NOW)
        await asyncio.to_thread(tracing.shutdown)
    assert collector.spans == []


async def test_all_processes_sample_the_same_share_of_calls() -> None:
    with collecting() as collector:
        one, other = (configure_tracing(collector.endpoint, name, share=0.1) for name in ("monitor", "monitor-2"))
        calls = [f"2603020900{n % 60:02}_{n}" for n in range(4_000)]
        sampled = [call for call in calls if is_sampled(one.call("main", call))]
        assert sampled == [call for call in calls if is_sampled(other.call("main", call))]
        assert 300 < len(sampled) < 500
        assert len({one.call("main", call) for call in calls} | {one.call("b", call) for call in calls}) == 8_000
        for tracing in (one, other):
            await asyncio.to_thread(tracing.shutdown)
