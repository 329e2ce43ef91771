"""What becomes of deliveries to an endpoint whose address is refused: they wait, and the operator reads what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import WebhookReceiver
from tests.unit.dispatcher.events import an_event

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_operator_reads_which_key_to_set(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, allow_private=())
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [an_event()])
            await eventually(lambda: run.health.report()["dispatcher"].problems)
            assert run.health.report()["dispatcher"].problems == {
                "endpoint crm": "endpoint crm: 127.0.0.1 is a loopback address: "
                'allow it with allow_private = ["127.0.0.1/32"]'
            }
            await eventually(lambda: len(Tables(data_dir).rows("SELECT 1 FROM attempts")) >= 2)
        assert receiver.webhooks == []
    reasons = Tables(data_dir).rows("SELECT DISTINCT outcome, reason FROM attempts")
    assert reasons == [("retry", "forbidden_address")]


async def test_what_was_refused_arrives_when_the_operator_allows_it(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with running(settings(data_dir, endpoint(receiver, allow_private=()))) as run:
            await publish(run.address, [an_event()])
            await eventually(lambda: Tables(data_dir).rows("SELECT 1 FROM attempts"))
        async with running(settings(data_dir, endpoint(receiver, allow_private=("127.0.0.1/32",)))):
            await eventually(lambda: receiver.webhooks)
