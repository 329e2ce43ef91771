"""The `traceparent` of W3C Trace Context, which travels in an event and its outbox row. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceParent:
    """Ids as numbers, never zero."""

    trace_id: int
    span_id: int
    is_sampled: bool


def format_traceparent(parent: TraceParent) -> str:
    """As it is written into headers and events."""
    return f"00-{parent.trace_id:032x}-{parent.span_id:016x}-{'01' if parent.is_sampled else '00'}"


def parse_traceparent(text: str) -> TraceParent | None:
    """None for what is empty or not a traceparent; it is never worth an error."""
    match = _FORM.fullmatch(text)
    if match is None or match[1] == "ff":
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceParent(trace_id=trace_id, span_id=span_id, is_sampled=bool(int(match[4], 16) & 1))
