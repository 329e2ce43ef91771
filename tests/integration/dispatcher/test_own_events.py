"""The operator's endpoint is told what happens to other endpoints and to deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.dispatcher.breaker import BreakerRules
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

EVENT = an_event(call=a_call("260307120000_1"))


def told(receiver: WebhookReceiver) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of each own event."""
    bodies: list[dict[str, Any]] = [webhook.json for webhook in receiver.webhooks]
    return [(body["type"], body["data"]) for body in bodies]


async def test_a_dead_delivery_is_told_with_its_call(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(status=404)) as crm, WebhookReceiver() as ops:
        configuration = settings(
            data_dir,
            endpoint(crm, retry_schedule=()),
            endpoint(ops, "ops", events=("recording",), format="get"),
            operator_endpoint="ops",
        )
        async with running(configuration) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: ops.webhooks)
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="ops") == 0)

        [(kind, data)] = told(ops)
        assert kind == "delivery.dead"
        assert (data["endpoint"], data["pbx"], data["call_id"]) == ("crm", "main", "260307120000_1")
        assert (data["event_id"], data["event_type"]) == (EVENT.id, "call.ringing")
        assert (data["reason"], data["attempts"], data["status"]) == ("client_error", 1, 404)
        assert ops.webhooks[0].id == f"dead-{EVENT.id}-crm-1"
        assert ops.webhooks[0].headers["content-type"] == "application/json"


async def test_a_pause_and_a_recovery_are_told_in_order_also_after_a_restart(data_dir: Path) -> None:
    async with WebhookReceiver(Answer(status=410)) as crm, WebhookReceiver() as ops:
        configuration = settings(
            data_dir, endpoint(crm), endpoint(ops, "ops", events=("recording",)), operator_endpoint="ops"
        )
        await ops.stop()
        async with running(configuration) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: Tables(data_dir).rows("SELECT 1 FROM endpoints WHERE state = 'paused'"))
        async with running(configuration) as run:
            assert run.dispatcher.endpoints is not None
            await run.dispatcher.endpoints.resume("crm")
            await eventually(lambda: crm.webhooks)
            await ops.start()
            await eventually(lambda: len(ops.webhooks) == 2)

        (paused, why), (recovered, how) = told(ops)
        assert (paused, why["endpoint"], why["state"], why["reason"]) == ("endpoint.paused", "crm", "paused", "gone")
        assert why["call_id"] == "260307120000_1"
        assert (recovered, how["endpoint"], how["state"]) == ("endpoint.recovered", "crm", "active")


async def test_an_outage_is_told_on_its_edges(data_dir: Path) -> None:
    rules = BreakerRules(probe_interval=timedelta(milliseconds=300))
    events = [an_event(call=a_call(f"260307120000_{number}")) for number in range(20)]
    async with WebhookReceiver(default=Answer(status=500)) as crm, WebhookReceiver() as ops:
        configuration = settings(
            data_dir, endpoint(crm), endpoint(ops, "ops", events=("recording",)), operator_endpoint="ops"
        )
        async with running(configuration, breaker_rules=rules) as run:
            await publish(run.address, events)
            await eventually(lambda: ops.webhooks)
            crm.default = Answer()
            await eventually(lambda: len(ops.webhooks) == 2)

        (paused, why), (recovered, _) = told(ops)
        assert (paused, why["state"], why["reason"]) == ("endpoint.paused", "open", "server_error")
        assert recovered == "endpoint.recovered"


async def test_nothing_is_told_about_the_operators_endpoint_itself(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(status=404)) as ops:
        configuration = settings(data_dir, endpoint(ops, "ops", retry_schedule=()), operator_endpoint="ops")
        async with running(configuration) as run:
            await publish(run.address, [EVENT])
            await eventually(lambda: run.metric("switchhook_deliveries_dead_total", endpoint="ops") == 1)
        assert Tables(data_dir).rows("SELECT COUNT(*) FROM events") == [(1,)]
