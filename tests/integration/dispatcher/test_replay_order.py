"""A replay amid live traffic: order within each call, never two at once, and original ids."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client import CollectorRegistry

from services.dispatcher.breaker import BreakerRules
from services.dispatcher.service import Dispatcher
from switchhook.events import EventType
from switchhook.runtime import AdminServer, Health
from tests.deadline import eventually
from tests.integration.dispatcher.harness import endpoint, publish, ready, settings
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.events import Event

CALLS = 12
DELAY = 0.02  # seconds until the receiver answers
NEVER_OPEN = BreakerRules(least_attempts=1_000)
TOKEN = "a-token-of-an-operator"


def events(first: int, last: int) -> list[Event]:
    """These events of every call."""
    return [
        an_event(EventType.RINGING, sequence=sequence, call=a_call(f"230307114903_{call}"))
        for sequence in range(first, last + 1)
        for call in range(CALLS)
    ]


async def test_replayed_and_new_events_of_a_call_go_one_after_the_other(data_dir: Path, database_url: str) -> None:
    async with WebhookReceiver(default=Answer(status=400)) as receiver:
        configuration = settings(data_dir, endpoint(receiver, retry_schedule=()))
        configuration = configuration.model_copy(
            update={"database": configuration.database.model_copy(update={"url": database_url})}
        )
        registry, health = CollectorRegistry(), Health()
        dispatcher = Dispatcher.from_settings(configuration, registry=registry, breaker_rules=NEVER_OPEN)
        admin = AdminServer("127.0.0.1:0", health, registry, routes=dispatcher.admin_routes, token=TOKEN)
        async with admin, ready(dispatcher, registry, health) as run:
            await publish(run.address, events(1, 1))
            await eventually(lambda: run.metric("switchhook_deliveries_dead_total", endpoint="crm") == CALLS)
            receiver.webhooks.clear()
            receiver.default = Answer(delay=DELAY)
            await publish(run.address, events(2, 3))
            replayed = await post(admin, "/deliveries/replay", {"endpoint": "crm"})
            assert replayed["by_endpoint"] == {"crm": CALLS}
            await publish(run.address, events(4, 5))
            await eventually(lambda: len(receiver.webhooks) >= CALLS * 5, 20)
    for call in range(CALLS):
        own = [webhook for webhook in receiver.webhooks if f"_{call}-" in webhook.id]
        assert [sequence_of(webhook) for webhook in own if sequence_of(webhook) > 1] == [2, 3, 4, 5]
        assert [webhook.headers.get("webhook-replay") for webhook in own if sequence_of(webhook) == 1] == ["true"]
        assert all(later.at - earlier.at >= DELAY for earlier, later in pairwise(own)), "two of one call at once"


def sequence_of(webhook: Webhook) -> int:
    """From the end of its id."""
    return int(webhook.id.rpartition("-")[2])


async def post(admin: AdminServer, path: str, body: object) -> dict[str, object]:
    """Ask the admin API; it must do it."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"http://{admin.address}/api/v1{path}", json=body) as response,
    ):
        answer: dict[str, object] = await response.json()
        assert response.status == 200, answer
        return answer
