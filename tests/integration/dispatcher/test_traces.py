"""Attempts stand in the trace of their event, and those of later days beside it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.events import EventType
from switchhook.runtime.clock import utc_now
from switchhook.telemetry import configure_tracing
from tests.collector import collecting
from tests.deadline import eventually
from tests.integration.dispatcher.harness import endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

TRACE, EVENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{EVENT}-01"


async def test_a_retry_is_part_of_the_trace_and_one_that_is_hours_late_is_linked_to_it(data_dir: Path) -> None:
    fresh = replace(an_event(EventType.ENDED), observed_at=utc_now(), traceparent=SAMPLED)
    late = replace(
        an_event(EventType.ENDED, call=a_call("230307114903_11")),
        observed_at=utc_now() - timedelta(hours=2),
        traceparent=SAMPLED,
    )
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "dispatcher")
        async with WebhookReceiver(Answer(status=500)) as receiver:
            crm = endpoint(receiver, retry_schedule=["100ms"])
            async with running(settings(data_dir, crm), tracing=tracing) as run:
                await publish(run.address, [fresh])
                await eventually(lambda: len(receiver.webhooks) == 2)
                await publish(run.address, [late])
                await eventually(lambda: len(receiver.webhooks) == 3)
        await asyncio.to_thread(tracing.shutdown)
    attempts = [span for span in collector.spans if span.name == "delivery.attempt"]
    told = [webhook.headers["traceparent"][3:52] for webhook in receiver.webhooks]
    assert told == [f"{span.trace_id.hex()}-{span.span_id.hex()}" for span in attempts]
    first, second, third = attempts
    for attempt in (first, second):
        assert (attempt.trace_id.hex(), attempt.parent_span_id.hex(), len(attempt.links)) == (TRACE, EVENT, 0)
    assert third.trace_id.hex() != TRACE
    assert third.parent_span_id == b""
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in third.links] == [(TRACE, EVENT)]
    facts = [{each.key: each.value.string_value for each in span.attributes} for span in attempts]
    assert [(each["outcome"], each["reason"]) for each in facts] == [
        ("retry", "server_error"),
        ("delivered", ""),
        ("delivered", ""),
    ]


async def test_what_is_no_traceparent_costs_nothing_but_the_trace(data_dir: Path) -> None:
    """A producer may send anything: the event is accepted and arrives all the same."""
    foreign = ("x" * (len(SAMPLED) - 1) + "1", "a\r\nb: c")
    events = [
        replace(an_event(call=a_call(f"230307114903_{number}")), observed_at=utc_now(), traceparent=traceparent)
        for number, traceparent in enumerate(foreign)
    ]
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "dispatcher")
        async with (
            WebhookReceiver() as receiver,
            running(settings(data_dir, endpoint(receiver)), tracing=tracing) as run,
        ):
            await publish(run.address, events)
            await eventually(lambda: len(receiver.webhooks) == len(foreign))
        await asyncio.to_thread(tracing.shutdown)
    assert not any("traceparent" in webhook.headers for webhook in receiver.webhooks)
    assert not collector.spans
