"""A download stands in the trace of its call, or beside it when it is late; nobody else can put himself there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from switchhook.links import SELF_CHECK
from switchhook.telemetry import configure_tracing
from tests.collector import collecting
from tests.integration.fileserver.conftest import NOW

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.integration.fileserver.conftest import Library

RECORDING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ELSEWHERE = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203332-01"


async def served(library: Library, *, recipient: str, said: str = "") -> Span:
    """The span of one download."""
    with collecting() as collector:
        tracing = configure_tracing(collector.endpoint, "fileserver")
        headers = {"traceparent": said} if said else {}
        async with library.serving(tracing=tracing) as port, aiohttp.ClientSession(headers=headers) as http:
            address = f"http://127.0.0.1:{port}{library.link(recipient=recipient)}"
            async with http.get(address) as response:
                assert response.status == 200
                await response.read()
        await asyncio.to_thread(tracing.shutdown)
    [span] = collector.spans
    assert span.name == "link.served"
    assert span.end_time_unix_nano >= span.start_time_unix_nano
    return span


@pytest.mark.parametrize("said", ["", ELSEWHERE])
async def test_a_recording_that_is_heard_soon_is_part_of_its_calls_trace(library: Library, said: str) -> None:
    await library.put(traceparent=RECORDING, started_at=NOW - timedelta(minutes=5))
    span = await served(library, recipient="crm", said=said)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (RECORDING[3:35], RECORDING[36:52])


async def test_a_recording_that_is_heard_on_another_day_is_linked_to_its_calls_trace(library: Library) -> None:
    await library.put(traceparent=RECORDING, started_at=NOW - timedelta(days=1))
    span = await served(library, recipient="crm")
    assert (span.trace_id.hex() != RECORDING[3:35], span.parent_span_id) == (True, b"")
    assert [link.span_id.hex() for link in span.links] == [RECORDING[36:52]]


async def test_the_recorders_own_try_of_a_link_stands_where_the_recorder_says(library: Library) -> None:
    await library.put(traceparent=RECORDING, started_at=NOW - timedelta(days=1))
    span = await served(library, recipient=SELF_CHECK, said=ELSEWHERE)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (ELSEWHERE[3:35], ELSEWHERE[36:52])
