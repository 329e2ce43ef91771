"""The `traceparent` of W3C Trace Context, which travels in an event and its outbox row, and whose it is. Pure.

A call is one trace. Its id, and those of the spans that others refer to before they are over, are derived from the
call and the event: whoever tells a fact again, after a kill or in another process, means the same span, and nobody has
to keep a trace beside a call. So all processes also agree on whether a call is traced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import blake2b

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_RATED_BITS = 64  # of a trace id, by which sampling is decided everywhere
_LENGTH = 55
_ENDING = "13579bdf"  # of a traceparent that is sampled: the lowest bit of its flags


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


def is_sampled(text: str) -> bool:
    """Whether the trace of a traceparent is kept; false for what is none. Much cheaper than parsing one of ours."""
    return len(text) == _LENGTH and text[-1] in _ENDING and _FORM.fullmatch(text) is not None


def trace_id_of(text: str) -> str | None:
    """The trace's id as it is written, for a log line; None without a trace."""
    return text[3:35] or None


def of_call(pbx: str, call_id: str, *, share: float) -> str:
    """The call's own span, the root of its trace; `share` of all calls are sampled, from 0 to 1."""
    trace_id = _digest(f"{pbx}\0{call_id}", 16)
    sampled = trace_id % (1 << _RATED_BITS) < share * (1 << _RATED_BITS)
    return format_traceparent(TraceParent(trace_id=trace_id, span_id=_span_id(trace_id, "call"), is_sampled=sampled))


def derived(parent: str, key: str) -> str:
    """The span of this key in the parent's trace; empty for none. An event's key is its id."""
    known = parse_traceparent(parent)
    return "" if known is None else format_traceparent(replace(known, span_id=_span_id(known.trace_id, key)))


def _span_id(trace_id: int, key: str) -> int:
    return _digest(f"{trace_id:032x}\0{key}", 8)


def _digest(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1
