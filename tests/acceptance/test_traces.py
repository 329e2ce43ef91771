"""A call's trace: the event as the monitor derived it, and the attempt that told the receiver, who gets it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import Simulator
from tests.acceptance.product import Product
from tests.collector import collecting
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

_TABLES = """
[[pbx]]
name = "main"
url = "{pbx}"
client_id = "switchhook"
client_secret = "secret"
[[endpoint]]
name = "crm"
url = "{receiver}"
format = "post"
allow_private = ["127.0.0.0/8"]
[telemetry]
otlp_endpoint = "{collector}"
"""


async def test_an_attempt_stands_in_the_trace_of_its_event(tmp_path: Path) -> None:
    with collecting() as collector:
        async with Simulator() as pbx, WebhookReceiver() as receiver:
            tables = _TABLES.format(pbx=pbx.url, receiver=receiver.url, collector=collector.endpoint)
            async with Product(tmp_path, tables, split=False):
                await pbx.play("outgoing-missed", speed=10)
                await eventually(lambda: len(receiver.webhooks) == 2, within=20)
    traces = {span.span_id: span.trace_id for span in collector.spans if span.name.startswith("call.")}
    attempts = [span for span in collector.spans if span.name == "delivery.attempt"]
    assert [traces[attempt.parent_span_id] for attempt in attempts] == [attempt.trace_id for attempt in attempts]
    told = [webhook.headers["traceparent"].split("-")[1:3] for webhook in receiver.webhooks]
    assert told == [[attempt.trace_id.hex(), attempt.span_id.hex()] for attempt in attempts]
