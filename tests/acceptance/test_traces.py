"""A call is one trace over all services: from the PBX's frames to the receiver, who gets it too, and the listener."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from simulator import Simulator, SimulatorOptions
from switchhook.links import SELF_CHECK
from tests.acceptance.listening import heard
from tests.acceptance.product import Product
from tests.acceptance.scene import pbx_and_endpoint
from tests.acceptance.test_metrics import recordings
from tests.collector import collecting
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.collector import Collector

_SLACK = 5_000_000  # nanoseconds by which the clocks of two processes, and two readings of one, may differ
_LONGEST_SILENCE = 1_500_000_000  # nanoseconds in which nothing of a call need be under way once it is over

# What happens to an attended transfer: an IVR and a queue are reached, 2 phones ring, 2 talk, the call is over.
EVENTS = {"call.ringing": 4, "call.started": 2, "call.ended": 2}
STEPS = ("find", "download", "transcode", "store", "check")
# How many lines of the log each unit of work has, and which durations they tell.
LINES = {
    "call.ended": (1, ("duration_seconds", "talk_seconds")),
    "delivery.attempted": (10, ("duration_ms", "latency_ms")),
    "recording.transcoded": (2, ("download_ms", "transcode_ms", "store_ms", "length_seconds")),
    "recording.ready": (2, ("lag_seconds",)),
    "link.served": (2, ("duration_ms",)),
}
# Who may begin when its parent is over: it was handed on, and waits for nobody.
HANDED_ON = {"event.publish", "event.accept", "delivery.attempt", "recording", "link.served"}


@pytest.mark.parametrize("split", [False, True], ids=["one process", "four processes"])
async def test_a_transferred_and_recorded_call_is_one_tree_without_a_gap(split: bool, tmp_path: Path) -> None:
    with collecting() as collector:
        lines = await play_and_listen(collector, tmp_path, split=split)
    spans = collector.spans
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans), "two spans have one id"
    assert len({span.trace_id for span in spans}) == 1
    roots = [span.name for span in spans if not span.parent_span_id]
    assert roots == ["call"]
    orphans = [span.name for span in spans if span.parent_span_id and span.parent_span_id not in by_id]
    assert orphans == []
    demand_names(spans)
    for span in spans:
        if span.parent_span_id:
            demand_place(span, by_id[span.parent_span_id], by_id)
    demand_no_silence(spans)
    demand_lines(lines, trace_id=spans[0].trace_id.hex())


async def play_and_listen(collector: Collector, folder: Path, *, split: bool) -> list[dict[str, Any]]:
    """What was logged."""
    async with Simulator(SimulatorOptions(speed=4)) as pbx, WebhookReceiver() as receiver:
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=receiver.url)
        tables += f'[telemetry]\notlp_endpoint = "{collector.endpoint}"\n'
        async with Product(folder, tables, split=split) as product:
            await pbx.play("incoming-attended-transfer")
            await eventually(lambda: len(recordings(receiver)) == 2, within=60)
            assert all((await heard(recordings(receiver))).values())
            await eventually(lambda: any(span.name == "call.completed" for span in collector.spans), within=30)
            assert await product.problems("recorder") == {}
        told = {webhook.headers["traceparent"] for webhook in receiver.webhooks}
        attempts = {
            f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
            for span in collector.spans
            if span.name == "delivery.attempt"
        }
        assert told == attempts, "receivers get the span of the attempt that reached them"
        return [line for name in product.pids for line in product.logged(name)]


def demand_names(spans: Sequence[Span]) -> None:
    names = Counter(span.name for span in spans)
    assert {name: names[name] for name in EVENTS} == EVENTS
    assert names["call.completed"] == 1
    events = sum(EVENTS.values()) + 1
    assert names["event.keep"] == events
    # The recorder takes everything that the monitor says, the dispatcher the recordings besides.
    assert names["event.publish"] == names["event.accept"] == 2 * events + 2
    assert names["recording"] == names["recording.ready"] == 2
    assert {step: names[f"recording.{step}"] for step in STEPS} == dict.fromkeys(STEPS, 2)
    assert names["link.served"] == 4, "the recorder tries each link, then the receiver hears it"
    known = {*EVENTS, "call", "call.completed", "event.keep", "recording", "recording.ready"}
    assert set(names) == known | HANDED_ON | {f"recording.{step}" for step in STEPS}


def demand_place(span: Span, parent: Span, by_id: Mapping[bytes, Span]) -> None:
    assert span.start_time_unix_nano <= span.end_time_unix_nano, span.name
    where = f"{span.name} in {parent.name}"
    assert span.start_time_unix_nano >= parent.start_time_unix_nano - _SLACK, f"{where}: it begins before"
    if span.name not in HANDED_ON or parent.name == "recording.check":
        assert span.end_time_unix_nano <= parent.end_time_unix_nano + _SLACK, f"{where}: it ends after"
    expected = {
        "event.keep": ("call.",),
        "event.publish": ("call.", "recording."),
        "event.accept": ("call.", "recording."),
        "delivery.attempt": ("call.", "recording.ready"),
        "recording": ("call.ended",),
        "link.served": ("recording",),
    }.get(span.name, ("recording",) if span.name.startswith("recording.") else ("call",))
    assert parent.name.startswith(expected), where
    if span.name == "recording":
        grandparent = by_id[parent.parent_span_id]
        assert grandparent.name == "call"


def demand_no_silence(spans: Sequence[Span]) -> None:
    """From the call's first moment to its last recording's delivery something is always under way."""
    told = [span for span in spans if span.name != "link.served"]
    until = min(span.start_time_unix_nano for span in told)
    for span in sorted(told, key=lambda each: each.start_time_unix_nano):
        assert span.start_time_unix_nano - until < _LONGEST_SILENCE, f"nobody knows what was before {span.name}"
        until = max(until, span.end_time_unix_nano)


def demand_lines(lines: Sequence[Mapping[str, Any]], *, trace_id: str) -> None:
    """Each unit of work has one line, which says whose it is, what it took, and where its trace is."""
    calls = {line["call_id"] for line in lines if line["event"] == "call.ended"}
    for event, (count, durations) in LINES.items():
        found = [line for line in lines if line["event"] == event and line.get("recipient") != SELF_CHECK]
        assert len(found) == count, event
        for line in found:
            assert (line["pbx"], line["trace_id"], {line["call_id"]}) == ("main", trace_id, calls), event
            assert all(line[key] >= 0 for key in durations), event
