"""Deadlines, parking, pauses and own events are the same on either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.breaker import BreakerRules
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.dispatcher.harness import NO_DEADLINES, endpoint, publish, running, settings
from tests.integration.dispatcher.test_own_events import told
from tests.integration.dispatcher.test_parking import final, first_events, operations, state_of
from tests.receiver import Answer, WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

RULES = BreakerRules(probe_interval=timedelta(milliseconds=500))


async def test_parked_deliveries_expire_or_go_when_the_endpoint_recovers(data_dir: Path, database_url: str) -> None:
    ringing = [replace(event, occurred_at=utc_now()) for event in first_events(60)]
    finals = [replace(final(event), occurred_at=utc_now()) for event in ringing]
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        crm = endpoint(receiver, deadlines={**NO_DEADLINES, "ringing": "2s"}, retry_schedule=("50ms",) * 30)
        async with running(settings(data_dir, crm, database=database_url), breaker_rules=RULES) as run:
            await publish(run.address, [*ringing, *finals])
            await eventually(lambda: state_of(run) == "open")
            await eventually(lambda: run.metric("switchhook_deliveries_expired_total", endpoint="crm") == 60, within=15)
            receiver.default = Answer()
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0, within=20)

            assert state_of(run) == "active"
        assert set(receiver.ids[-50:]) <= {event.id for event in finals}


async def test_a_pause_outlives_a_restart_and_is_told(data_dir: Path, database_url: str) -> None:
    events = first_events(4)
    async with WebhookReceiver(Answer(status=410)) as receiver, WebhookReceiver() as ops:
        configuration = settings(
            data_dir,
            endpoint(receiver, concurrency=1),
            endpoint(ops, "ops", events=("recording",)),
            operator_endpoint="ops",
            database=database_url,
        )
        async with running(configuration) as run:
            await publish(run.address, events[:2])
            await eventually(lambda: ops.webhooks)
        async with running(configuration) as run:
            assert state_of(run) == "paused"
            await publish(run.address, events[2:])
            assert len(receiver.webhooks) == 1
            await operations(run).resume("crm")
            await eventually(lambda: len(receiver.webhooks) == 5)
            await eventually(lambda: len(ops.webhooks) == 2)

        assert sorted(receiver.ids[1:]) == sorted(event.id for event in events)
        assert [kind for kind, _ in told(ops)] == ["endpoint.paused", "endpoint.recovered"]
