"""Metrics that exist from the start, and traces that cost nothing when they are off."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest

from switchhook.telemetry import (
    TraceParent,
    configure_tracing,
    format_traceparent,
    parse_traceparent,
    preset,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Reason(StrEnum):
    TIMEOUT = "timeout"
    DNS = "dns"


def test_every_combination_of_labels_starts_at_zero() -> None:
    registry = CollectorRegistry()
    preset(Counter("attempts", "Attempts.", ["endpoint", "reason"], registry=registry), endpoint=["crm"], reason=Reason)
    text = generate_latest(registry).decode()
    assert 'attempts_total{endpoint="crm",reason="timeout"} 0.0' in text
    assert 'attempts_total{endpoint="crm",reason="dns"} 0.0' in text


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_traceparent_survives_the_journey(trace_id: int, span_id: int, is_sampled: bool) -> None:
    parent = TraceParent(trace_id=trace_id, span_id=span_id, is_sampled=is_sampled)
    assert parse_traceparent(format_traceparent(parent)) == parent


@pytest.mark.parametrize(
    "text", ["", "x", PARENT.upper(), PARENT + "-1", "ff" + PARENT[2:], PARENT.replace("b7ad6b7169203331", "0" * 16)]
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    assert parse_traceparent(text) is None


def test_a_span_passes_its_parent_on_when_traces_are_off() -> None:
    tracing = configure_tracing(None, "monitor")
    with tracing.span("call.ended", parent=PARENT, attributes={"pbx": "main"}) as span:
        assert span.traceparent == PARENT
    assert tracing.call("main", "260302090000_1") == ""
    tracing.shutdown()


def test_nothing_of_opentelemetry_is_imported_when_traces_are_off() -> None:
    """In a process of its own: in this one other tests may have imported it."""
    program = (
        "import sys; from switchhook.telemetry import configure_tracing; configure_tracing(None, 'monitor');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
