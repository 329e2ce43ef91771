"""What is too late is not told any more, said to be expired, and holds nothing up."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.breaker import BreakerRules
from switchhook.events import EventType
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.dispatcher.harness import NO_DEADLINES, Tables, endpoint, publish, running, settings
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from switchhook.events import Event

CALL = a_call("260307120000_1")


def ringing(sequence: int, *, age: timedelta = timedelta(0)) -> Event:
    return replace(an_event(sequence=sequence, call=CALL), occurred_at=utc_now() - age)


def ended(sequence: int, *, age: timedelta = timedelta(0)) -> Event:
    return replace(ringing(sequence, age=age), type=EventType.ENDED)


def states(data_dir: Path) -> list[tuple[str, str, int]]:
    rows = Tables(data_dir).rows("SELECT status, reason, attempts FROM deliveries ORDER BY sequence")
    return [(status, reason, attempts) for status, reason, attempts in rows]


async def test_by_default_a_ringing_is_too_late_after_a_minute_and_an_end_never(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver, deadlines={}))) as run:
        old = timedelta(hours=9)
        await publish(run.address, [ringing(1, age=old), ended(2, age=old), ringing(3), ended(4)])
        await eventually(lambda: len(receiver.webhooks) == 3)

        assert receiver.ids == [ended(2).id, ringing(3).id, ended(4).id]
        assert run.metric("switchhook_deliveries_expired_total", endpoint="crm") == 1
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)
    assert states(data_dir) == [("expired", "deadline", 0), *[("delivered", "", 1)] * 3]
    [said] = [vars(record) for record in caplog.records if record.getMessage() == "delivery.expired"]
    assert (said["endpoint"], said["event_id"], said["reason"]) == ("crm", ringing(1).id, "deadline")


async def test_a_failed_delivery_expires_when_no_attempt_fits_in_and_its_successors_go_on(data_dir: Path) -> None:
    def refuse_ringing(webhook: Webhook) -> Answer | None:
        return Answer(status=500) if b"ringing" in webhook.body else None

    crm_deadlines = {**NO_DEADLINES, "ringing": "2s"}
    async with WebhookReceiver(rule=refuse_ringing) as receiver:
        crm = endpoint(receiver, deadlines=crm_deadlines, retry_schedule=("100ms", "1h"))
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [ringing(1), ended(2)])
            await eventually(lambda: len(receiver.webhooks) == 3)

            assert receiver.ids == [ringing(1).id] * 2 + [ended(2).id]
    assert states(data_dir)[0] == ("expired", "deadline", 2)


async def test_a_delivery_expires_while_it_waits_behind_another(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        crm = endpoint(receiver, deadlines={**NO_DEADLINES, "ringing": "1s"}, retry_schedule=("1h",))
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [ended(1), ringing(2), ended(3)])
            await eventually(lambda: run.metric("switchhook_deliveries_expired_total", endpoint="crm") == 1)

            assert receiver.ids == [ended(1).id]
    assert [status for status, _, _ in states(data_dir)] == ["pending", "expired", "pending"]


async def test_parked_deliveries_expire_too(data_dir: Path) -> None:
    deadlines = {**NO_DEADLINES, "ringing": "1s"}
    async with WebhookReceiver(Answer(status=500)) as receiver:
        crm = endpoint(receiver, deadlines=deadlines, retry_schedule=("100ms",))
        rules = BreakerRules(least_attempts=1, probe_interval=timedelta(seconds=4))
        async with running(settings(data_dir, crm), breaker_rules=rules) as run:
            await publish(run.address, [ringing(1), ended(2)])
            await eventually(lambda: run.metric("switchhook_deliveries_expired_total", endpoint="crm") == 1)
            assert receiver.ids == [ringing(1).id]
            await eventually(lambda: len(receiver.webhooks) == 2)

            assert receiver.ids == [ringing(1).id, ended(2).id]


async def test_an_attempt_under_way_at_the_deadline_counts(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(delay=2.5)) as receiver:
        crm = endpoint(receiver, deadlines={**NO_DEADLINES, "ringing": "1s"})
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [ringing(1)])
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)
    assert states(data_dir) == [("delivered", "", 1)]
