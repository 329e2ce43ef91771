"""Whatever waits for an endpoint that was removed from the configuration ends, and the operator is told whose calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.dispatcher.breaker import BreakerRules
from tests.deadline import eventually
from tests.integration.dispatcher.harness import endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

CALLS, LENGTH = 350, 2  # more deliveries than one portion takes


async def test_the_calls_of_abandoned_deliveries_are_told(data_dir: Path, database_url: str) -> None:
    events = [
        an_event(sequence=sequence, call=a_call(f"260307120000_{number}"))
        for sequence in range(1, LENGTH + 1)
        for number in range(CALLS)
    ]
    async with WebhookReceiver(default=Answer(status=500)) as failing, WebhookReceiver() as ops:
        gone = endpoint(failing, "gone", retry_schedule=("1h",), concurrency=1)
        crm = endpoint(ops, "ops", events=("recording",))
        before = settings(data_dir, gone, crm, operator_endpoint="ops", database=database_url)
        patient = BreakerRules(least_attempts=2 * len(events))  # the pause alone is to be told
        async with running(before, breaker_rules=patient) as run:
            await publish(run.address, events)
            await eventually(lambda: failing.webhooks)
            assert run.dispatcher.endpoints is not None
            await run.dispatcher.endpoints.pause("gone")
            await eventually(lambda: len(ops.webhooks) == 1)
        after = settings(data_dir, crm, operator_endpoint="ops", database=database_url)
        for _ in range(2):  # at the second start there is nothing left to tell
            async with running(after) as run:
                await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="ops") == 0)
                await eventually(lambda: len(ops.webhooks) == 3)

    dead: list[dict[str, Any]] = [webhook.json for webhook in ops.webhooks[1:]]
    assert {body["type"] for body in dead} == {"delivery.dead"}
    told = [body["data"] for body in dead]
    assert {(data["endpoint"], data["reason"]) for data in told} == {("gone", "endpoint_removed")}
    assert sum(data["deliveries"] for data in told) == len(events)
    calls = {(call["pbx"], call["call_id"]) for data in told for call in data["calls"]}
    assert calls == {("main", event.call.id) for event in events}
