"""What goes out, and what each kind of answer leads to."""

from __future__ import annotations

import logging
import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import pytest

import switchhook
from switchhook.events import EventType
from switchhook.links import Verdict, verify_link
from switchhook.settings.link_key import link_key
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import NOON, a_recording, an_event

if TYPE_CHECKING:
    from pathlib import Path

EVENT = an_event()


async def test_a_webhook_carries_its_id_its_time_and_the_endpoints_headers(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, headers={"Authorization": "Bearer abc", "user-agent": "theirs"})
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: receiver.webhooks)

        [webhook] = receiver.webhooks
        assert (webhook.method, webhook.path) == ("POST", "/hooks")
        assert webhook.headers["webhook-id"] == EVENT.id
        assert abs(int(webhook.headers["webhook-timestamp"]) - time.time()) < 10
        assert webhook.headers["authorization"] == "Bearer abc"
        assert webhook.headers["user-agent"] == f"Switchhook/{switchhook.__version__}"
        assert webhook.headers["content-type"] == "application/json"
        assert webhook.json["Event"] == "ringing"


async def test_a_get_keeps_the_addresss_own_query_and_its_encoding(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        crm = endpoint(f"{receiver.url}?key=a%2Fb", format="get")
        async with running(settings(data_dir, crm)) as run:
            ended = an_event(EventType.ENDED, answered=True, talk_time=timedelta(seconds=7))
            await publish(run.address, [ended])
            await eventually(lambda: receiver.webhooks)

        [webhook] = receiver.webhooks
        assert (webhook.method, webhook.body) == ("GET", b"")
        assert webhook.raw_query.startswith("key=a%2Fb&event=incoming&callerid=05552221133&")
        assert "title=Answered%20call%20from%2005552221133%20%280%3A07%29" in webhook.raw_query


async def test_the_recording_of_a_get_endpoint_is_posted(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver, format="get"))) as run:
        recorded = an_event(EventType.RECORDING_READY, link=1, recording=a_recording())
        await publish(run.address, [recorded])
        await eventually(lambda: receiver.webhooks)

        [webhook] = receiver.webhooks
        assert webhook.method == "POST"
        assert webhook.json == {
            "id": "230307114903_10-1",
            "FILES": ["http://127.0.0.1:5001/webapi/recording/230307114903_10-1-1.mp3"],
        }


async def test_the_address_of_a_recording_is_signed_for_its_endpoint(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        configuration = settings(data_dir, endpoint(receiver), links="signed")
        async with running(configuration) as run:
            await publish(run.address, [an_event(EventType.RECORDING_READY, link=1, recording=a_recording())])
            await eventually(lambda: receiver.webhooks)

        [address] = orjson.loads(receiver.webhooks[0].body)["FileUrls"]
        parts = urlsplit(address)
        verdict, claims = verify_link(parts.path, parts.query, keys=[link_key(configuration)], now=NOON)
        assert (verdict, claims.recipient) == (Verdict.GENUINE, "crm")


async def test_a_retry_carries_the_same_id(data_dir: Path) -> None:
    receiver = WebhookReceiver(Answer(status=500), Answer(close=True))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [EVENT.id] * 3
    assert Tables(data_dir).rows("SELECT number, status, outcome, reason FROM attempts") == [
        (1, 500, "retry", "server_error"),
        (2, None, "retry", "disconnected"),
        (3, 204, "delivered", ""),
    ]


async def test_retry_after_is_followed_up_to_twice_the_delay(data_dir: Path) -> None:
    receiver = WebhookReceiver(Answer(status=500, headers={"retry-after": "3600"}), Answer(status=500))
    schedule = ("300ms", "300ms")
    async with receiver, running(settings(data_dir, endpoint(receiver, retry_schedule=schedule))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: len(receiver.webhooks) == 3)

        first, second, third = (webhook.at for webhook in receiver.webhooks)
        assert second - first >= 0.599
        assert third - second >= 0.299


async def test_an_overloaded_endpoint_is_left_alone_for_a_minute(data_dir: Path) -> None:
    async with WebhookReceiver(Answer(status=429)) as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: Tables(data_dir).rows("SELECT 1 FROM attempts"))

    [(due_at, started_at)] = Tables(data_dir).rows(
        "SELECT due_at, started_at FROM deliveries JOIN attempts USING (event)"
    )
    assert 60_000_000 <= due_at - started_at < 70_000_000


async def test_a_redirect_is_a_failure_and_not_followed(data_dir: Path) -> None:
    async with WebhookReceiver() as elsewhere:
        receiver = WebhookReceiver(default=Answer(status=302, headers={"location": elsewhere.url}))
        async with receiver, running(settings(data_dir, endpoint(receiver, retry_schedule=()))) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: run.metric("switchhook_deliveries_dead_total", endpoint="crm") == 1)

        assert elsewhere.webhooks == []
    assert Tables(data_dir).rows("SELECT reason FROM deliveries") == [("redirect",)]


async def test_an_answer_that_comes_too_late_is_a_timeout(data_dir: Path) -> None:
    receiver = WebhookReceiver(default=Answer(delay=30))
    async with receiver, running(settings(data_dir, endpoint(receiver, retry_schedule=(), timeout="200ms"))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: run.metric("switchhook_deliveries_dead_total", endpoint="crm") == 1)
        await receiver.stop()
    assert Tables(data_dir).rows("SELECT reason FROM deliveries") == [("timeout",)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/", "connect"),
        ("http://no-such-host.invalid/", "dns"),
        ("https://127.0.0.1:{plain}/", "tls"),
    ],
)
async def test_an_endpoint_that_cannot_be_reached_is_told_by_its_reason(data_dir: Path, url: str, reason: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with WebhookReceiver() as plain:
            address = url.format(port=closed.getsockname()[1], plain=plain.port)
            async with running(settings(data_dir, endpoint(address, retry_schedule=()))) as run:
                await publish(run.address, [EVENT])
                await eventually(lambda: run.metric("switchhook_deliveries_dead_total", endpoint="crm") == 1, within=15)
    assert Tables(data_dir).rows("SELECT reason FROM deliveries") == [(reason,)]


async def test_a_long_answer_is_not_read_to_its_end_and_a_refusals_excerpt_is_redacted(data_dir: Path) -> None:
    refusal = b"caller 05552221133 token AbCdEfGhIjKlMnOpQrStUvWxYz012345 " + b"x" * 10_000_000
    receiver = WebhookReceiver(Answer(status=400, body=refusal), Answer(status=200, body=refusal))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

    [(refused,), (taken,)] = Tables(data_dir).rows("SELECT excerpt FROM attempts ORDER BY number")
    assert refused.startswith("caller …133 token … ")
    assert len(refused) <= 160
    assert taken == ""


async def test_an_outage_is_said_on_its_edges_only(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with WebhookReceiver() as receiver:
        await receiver.stop()
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: len(Tables(data_dir).rows("SELECT 1 FROM attempts")) >= 3)
            assert "nothing accepts connections" in run.health.report()["dispatcher"].problems["endpoint crm"]
            await receiver.start()
            await eventually(lambda: receiver.webhooks)
            await eventually(lambda: not run.health.report()["dispatcher"].problems)

    edges = [record.getMessage() for record in caplog.records if record.getMessage().startswith("endpoint.")]
    assert edges == ["endpoint.down", "endpoint.up"]


async def test_an_attempt_is_one_line_with_all_its_facts(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver = WebhookReceiver(Answer(status=500))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [EVENT])
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

    first, second = (vars(record) for record in caplog.records if record.getMessage() == "delivery.attempted")
    assert (first["endpoint"], first["event_id"], first["type"], first["attempt"]) == (
        "crm",
        EVENT.id,
        "call.ringing",
        1,
    )
    assert (first["outcome"], first["reason"], first["status"], first["delivery"]) == (
        "retry",
        "server_error",
        500,
        "pending",
    )
    assert first["next_attempt_at"] is not None
    assert (second["outcome"], second["reason"], second["status"], second["delivery"]) == (
        "delivered",
        "",
        204,
        "delivered",
    )
    assert second["next_attempt_at"] is None


async def test_attempts_and_latency_are_counted(data_dir: Path) -> None:
    receiver = WebhookReceiver(Answer(status=500))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        attempts = "switchhook_delivery_attempts_total"
        assert run.registry.get_sample_value(attempts, {"endpoint": "crm", "outcome": "retry", "reason": "tls"}) == 0
        await publish(run.address, [EVENT])
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert run.metric(attempts, endpoint="crm", outcome="retry", reason="server_error") == 1
        assert run.metric(attempts, endpoint="crm", outcome="delivered", reason="") == 1
        assert run.metric("switchhook_delivery_latency_seconds_count", endpoint="crm", event_class="ringing") == 1
        assert run.metric("switchhook_events_accepted_total") == 1
