"""An endpoint that fails or wants nothing is left alone; nothing is lost, and afterwards live calls go first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.dispatcher.breaker import BreakerRules
from services.dispatcher.deliveries import Deliveries
from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import Reason
from switchhook.events import EventId, EventType
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Running, Tables, endpoint, publish, running, settings
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

    from services.dispatcher.deliveries import Head
    from services.dispatcher.endpoint_states import Endpoints
    from switchhook.events import Event

RULES = BreakerRules(least_attempts=10, probe_interval=timedelta(milliseconds=600))


def first_events(count: int, *, start: int = 0) -> list[Event]:
    return [an_event(call=a_call(f"260307120000_{start + number}")) for number in range(count)]


def final(event: Event, sequence: int = 2) -> Event:
    return an_event(EventType.ENDED, sequence=sequence, call=event.call)


def state_of(run: Running, name: str = "crm") -> str:
    """As the metrics show it."""
    metric = "switchhook_endpoint_state"
    [state] = [state for state in EndpointState if run.metric(metric, endpoint=name, state=state) == 1]
    return state


def operations(run: Running) -> Endpoints:
    assert run.dispatcher.endpoints is not None
    return run.dispatcher.endpoints


async def test_an_endpoint_that_fails_is_probed_and_its_deliveries_are_parked(data_dir: Path) -> None:
    events = first_events(40)
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        crm = endpoint(receiver, retry_schedule=("1h",) * 3, concurrency=1)
        async with running(settings(data_dir, crm), breaker_rules=RULES) as run:
            await publish(run.address, events)
            await eventually(lambda: state_of(run) == "open")
            assert len(receiver.webhooks) == 10
            assert run.metric("switchhook_deliveries_parked", endpoint="crm") == len(events)
            await eventually(lambda: len(receiver.webhooks) == 12, within=5)

            # The newest live calls are probed with, and the probes are apart.
            assert receiver.ids[10:12] == [events[-1].id, events[-2].id]
            assert receiver.webhooks[11].at - receiver.webhooks[10].at > 0.55
            receiver.default = Answer()
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") <= 12, within=20)
            assert state_of(run) == "active"
    assert Tables(data_dir).statuses().count("pending") == 12, "those that failed wait for their own time"


async def test_on_recovery_the_newest_live_calls_go_first_and_the_backlog_ever_faster(data_dir: Path) -> None:
    over, live = first_events(60), first_events(20, start=500)
    finals = [final(event) for event in over]
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, retry_schedule=("1h",) * 3, concurrency=1)
        await receiver.stop()
        async with running(settings(data_dir, crm), breaker_rules=RULES) as run:
            await publish(run.address, [*over, *finals])
            await eventually(lambda: state_of(run) == "open")
            await publish(run.address, live)
            await receiver.start()
            everything = len(over) + len(finals) + len(live)
            await eventually(lambda: len(receiver.webhooks) == everything, within=25)

        assert receiver.ids[: len(live)] == [event.id for event in reversed(live)]
        assert sorted(receiver.ids) == sorted(event.id for event in [*over, *finals, *live])
        place = {id: number for number, id in enumerate(receiver.ids)}
        assert all(place[event.id] < place[end.id] for event, end in zip(over, finals, strict=True))
        times = [webhook.at for webhook in receiver.webhooks]
        assert times[60] - times[30] > 1.3 * (times[-1] - times[-31])


async def test_a_recovered_endpoint_gets_new_events_at_once_while_its_backlog_drains(data_dir: Path) -> None:
    parked, new = first_events(400), first_events(3, start=900)
    async with WebhookReceiver() as receiver:
        await receiver.stop()
        async with running(settings(data_dir, endpoint(receiver)), breaker_rules=RULES) as run:
            await publish(run.address, parked)
            await eventually(lambda: state_of(run) == "open")
            await receiver.start()
            await eventually(lambda: len(receiver.webhooks) > 1)
            await publish(run.address, new)
            await eventually(lambda: {event.id for event in new} <= set(receiver.ids), within=3)

            assert len(receiver.webhooks) < len(parked)
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0, within=20)


async def test_an_endpoint_that_is_gone_is_paused_over_a_restart_until_it_is_resumed(data_dir: Path) -> None:
    events = first_events(5)
    async with WebhookReceiver(Answer(status=410)) as receiver:
        crm = endpoint(receiver, concurrency=1)
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, events[:3])
            await eventually(lambda: state_of(run) == "paused")
            assert "resume it" in run.health.report()["dispatcher"].problems["endpoint crm paused"]
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, events[3:])
            standing = operations(run).standing("crm")
            assert (standing.state, standing.reason) == (EndpointState.PAUSED, Reason.GONE)
            assert len(receiver.webhooks) == 1
            assert run.metric("switchhook_deliveries_parked", endpoint="crm") == len(events)
            await operations(run).resume("crm")
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

            assert sorted(receiver.ids[1:]) == sorted(event.id for event in events)
            assert run.health.report()["dispatcher"].problems == {}
        async with running(settings(data_dir, crm)) as run:
            assert state_of(run) == "active"
    assert set(Tables(data_dir).statuses()) == {"delivered"}


async def test_an_endpoint_may_ask_for_the_pause_with_a_header_also_when_it_took_the_event(data_dir: Path) -> None:
    answers = Answer(status=204, headers={"webhook-delivery": "disable"}), Answer(status=204)
    async with WebhookReceiver(*answers) as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, first_events(1))
        await eventually(lambda: state_of(run) == "paused")
        await eventually(lambda: Tables(data_dir).statuses() == ["delivered"])
        await publish(run.address, first_events(1, start=7))

        assert operations(run).standing("crm").reason is Reason.DISABLED
        assert Tables(data_dir).statuses() == ["delivered", "pending"]


async def test_an_endpoint_may_end_a_delivery(data_dir: Path) -> None:
    [event] = first_events(1)
    receiver = WebhookReceiver(Answer(status=422, headers={"webhook-delivery": "abort-message"}))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [event, final(event)])
        await eventually(lambda: len(receiver.webhooks) == 2)
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [event.id, final(event).id]
    rows = Tables(data_dir).rows("SELECT status, reason FROM deliveries ORDER BY sequence")
    assert rows == [("dead", "aborted"), ("delivered", "")]


async def test_an_operator_pauses_and_resumes(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await operations(run).pause("crm")
        await publish(run.address, first_events(3))
        assert [standing.state for standing in operations(run).standings()] == [EndpointState.PAUSED]
        assert receiver.webhooks == []
        await operations(run).resume("crm")
        await eventually(lambda: len(receiver.webhooks) == 3)


async def test_what_another_process_writes_about_an_endpoint_is_followed(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        tables = Tables(data_dir)
        tables.change("INSERT INTO endpoints (name, state, reason, since) VALUES ('crm', 'paused', 'operator', 1)")
        await eventually(lambda: state_of(run) == "paused")
        await publish(run.address, first_events(1))
        tables.change("UPDATE endpoints SET state = 'active'")
        await eventually(lambda: len(receiver.webhooks) == 1)


async def test_nothing_reads_the_rows_of_a_parked_endpoint(data_dir: Path) -> None:
    rules = BreakerRules(least_attempts=1)
    async with WebhookReceiver() as good, WebhookReceiver() as dead:
        await dead.stop()
        configuration = settings(data_dir, endpoint(good, "good", pbx=["main"]), endpoint(dead, "dead", pbx=["other"]))
        async with running(configuration, breaker_rules=rules) as run:
            lanes_read: list[str] = []
            due_heads = Deliveries.due_heads

            async def noted(self: Deliveries, endpoint: str, **keys: Any) -> list[Head]:
                lanes_read.append(endpoint)
                return await due_heads(self, endpoint, **keys)

            await publish(run.address, [replace(event, pbx="other") for event in first_events(1)])
            await eventually(lambda: state_of(run, "dead") == "open")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Deliveries, "due_heads", noted)
                for start in range(1, 2_001, 500):
                    parked = first_events(500, start=start)
                    await publish(
                        run.address, [replace(event, pbx="other", id=EventId(f"o-{event.id}")) for event in parked]
                    )
                await publish(run.address, first_events(50))
                await eventually(lambda: len(good.webhooks) == 50)

            assert "dead" not in lanes_read
            assert run.metric("switchhook_deliveries_parked", endpoint="dead") == 2_001


async def test_a_refused_connection_is_tried_again_at_once_and_just_once(data_dir: Path) -> None:
    receiver = WebhookReceiver(Answer(close=True), Answer(close=True))
    async with receiver, running(settings(data_dir, endpoint(receiver, retry_schedule=("1s", "1h")))) as run:
        await publish(run.address, first_events(1))
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)
        first, second, third = (webhook.at for webhook in receiver.webhooks)

        assert second - first < 0.5
        assert third - second > 0.99
    rows = Tables(data_dir).rows("SELECT attempts, earlier_attempts FROM deliveries")
    assert rows == [(3, 1)]


async def test_a_rate_limit_is_kept(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        crm = endpoint(receiver, rate_limit=20)
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, first_events(40))
            await eventually(lambda: len(receiver.webhooks) == 40)

        assert receiver.webhooks[-1].at - receiver.webhooks[0].at > 38 / 20 * 0.9


async def test_each_endpoint_may_have_its_own_concurrency(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(delay=0.02)) as receiver:
        crm = endpoint(receiver, concurrency=2)
        async with running(settings(data_dir, crm, concurrency=50)) as run:
            await publish(run.address, first_events(20))
            await eventually(lambda: len(receiver.webhooks) == 20)

        assert receiver.most_under_way == 2


async def test_an_attempt_keeps_what_was_answered_and_by_whom(data_dir: Path) -> None:
    refusal = Answer(status=400, body=b"no such field: " + b"x " * 30_000)
    async with WebhookReceiver(refusal) as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, first_events(1))
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)
        port = receiver.port
    rows = Tables(data_dir).rows("SELECT address, response_body, response_bytes FROM attempts ORDER BY number")
    [(address, body, size), (_, nothing, none)] = rows
    assert address == f"127.0.0.1:{port}"
    assert body.startswith("no such field: x x")
    assert 10_000 < len(body) <= 16 * 1024 < size
    assert (nothing, none) == ("", 0)
