"""The new formats and the signatures through a whole dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook as Verifier

from services.dispatcher.samples import sample_events
from switchhook.events import EventType
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import an_event

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


async def test_every_event_of_a_call_arrives_signed_with_all_secrets(data_dir: Path) -> None:
    events = [event for event in sample_events() if event.type is not EventType.DIALING]
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, format="standard", secret=[NEW, OLD])
        async with running(settings(data_dir, crm, hold="1s")) as dispatcher:
            await publish(dispatcher.address, events)
            await eventually(lambda: len(receiver.webhooks) == len(events), within=15)

    assert [webhook.json["type"] for webhook in receiver.webhooks] == [event.type.value for event in events]
    for webhook in receiver.webhooks:
        for secret in (OLD, NEW):
            Verifier(secret).verify(webhook.body, dict(webhook.headers))


async def test_a_repeat_is_signed_anew(data_dir: Path) -> None:
    async with WebhookReceiver(Answer(status=500), Answer(status=500)) as receiver:
        crm = endpoint(receiver, format="get", secret=OLD, retry_schedule=("1100ms", "1100ms"))
        async with running(settings(data_dir, crm)) as dispatcher:
            await publish(dispatcher.address, [an_event()])
            await eventually(lambda: len(receiver.webhooks) == 3, within=15)

    assert len(set(receiver.ids)) == 1
    assert len({webhook.headers["webhook-signature"] for webhook in receiver.webhooks}) == 3
    for webhook in receiver.webhooks:
        Verifier(OLD).verify(webhook.body, dict(webhook.headers), json_parse=False)


async def test_a_template_that_fails_for_an_event_costs_that_event_alone(data_dir: Path) -> None:
    # No sample shows this fault, so it is found by an event only.
    template = {"body": "{% if user == '999' %}{{ 1 / 0 }}{% endif %}{{ event }}", "content_type": "text/plain"}
    events = [
        an_event(EventType.RINGING, sequence=1),
        an_event(EventType.RINGING, sequence=2, user="999"),
        an_event(EventType.ENDED, sequence=3),
    ]
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, format="template", template=template)
        async with running(settings(data_dir, crm)) as dispatcher:
            await publish(dispatcher.address, events)
            await eventually(lambda: receiver.webhooks and receiver.webhooks[-1].body == b"incoming", within=15)

    assert len(receiver.webhooks) == 2
    rows = Tables(data_dir).rows("SELECT status, reason FROM deliveries ORDER BY sequence")
    assert rows == [("delivered", ""), ("dead", "template"), ("delivered", "")]
