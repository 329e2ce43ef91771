"""For one endpoint the events of one call go one after the other; other calls and other endpoints never wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.events import EventId, EventType
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.events import Event


def call_events(call_id: str, count: int) -> list[Event]:
    return [an_event(sequence=sequence, call=a_call(call_id)) for sequence in range(1, count + 1)]


FIRST = call_events("260307120000_1", 4)
SECOND = call_events("260307120000_2", 4)


async def test_a_failing_delivery_holds_back_its_call_and_no_other(data_dir: Path) -> None:
    failing = {FIRST[1].id: 2}

    def fail_twice(webhook: Webhook) -> Answer | None:
        left = failing.get(EventId(webhook.id), 0)
        if left:
            failing[FIRST[1].id] = left - 1
            return Answer(status=500)
        return None

    async with WebhookReceiver(rule=fail_twice) as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [*FIRST, *SECOND])
        await eventually(lambda: len(receiver.webhooks) == 10)

        ids = receiver.ids
        assert [id for id in ids if id in {event.id for event in SECOND}] == [event.id for event in SECOND]
        assert [id for id in ids if id in {event.id for event in FIRST}] == [
            FIRST[0].id, FIRST[1].id, FIRST[1].id, FIRST[1].id, FIRST[2].id, FIRST[3].id,
        ]  # fmt: skip
        assert max(ids.index(event.id) for event in SECOND) < ids.index(FIRST[2].id)


async def test_one_delivery_of_a_call_is_under_way_at_a_time(data_dir: Path) -> None:
    receiver = WebhookReceiver(default=Answer(delay=0.02))
    async with receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, FIRST)
        await eventually(lambda: len(receiver.webhooks) == len(FIRST))

        assert receiver.most_under_way == 1
        assert receiver.ids == [event.id for event in FIRST]


async def test_a_dead_delivery_lets_its_call_go_on(data_dir: Path) -> None:
    receiver = WebhookReceiver(Answer(status=404), Answer(status=404))
    async with receiver, running(settings(data_dir, endpoint(receiver, retry_schedule=("50ms",)))) as run:
        await publish(run.address, FIRST[:2])
        await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [FIRST[0].id, FIRST[0].id, FIRST[1].id]
        assert run.metric("switchhook_deliveries_dead_total", endpoint="crm") == 1
    assert Tables(data_dir).rows("SELECT status, reason, attempts FROM deliveries ORDER BY sequence") == [
        ("dead", "client_error", 2),
        ("delivered", "", 1),
    ]


async def test_a_slow_endpoint_does_not_delay_another(data_dir: Path) -> None:
    slow, quick = WebhookReceiver(default=Answer(delay=30)), WebhookReceiver()
    events = [event for number in range(40) for event in call_events(f"260307120000_{number}", 3)]
    async with slow, quick:
        configuration = settings(data_dir, endpoint(slow, "slow"), endpoint(quick, "quick"), concurrency=4)
        async with running(configuration) as run:
            await publish(run.address, events)
            await eventually(lambda: len(quick.webhooks) == len(events))

            assert len(slow.webhooks) <= 4
            assert run.metric("switchhook_deliveries_pending", endpoint="slow") == len(events)
            run.task.cancel()
            await slow.stop()


async def test_attempts_under_way_at_once_are_bounded_per_endpoint(data_dir: Path) -> None:
    receiver = WebhookReceiver(default=Answer(delay=0.01))
    events = [event for number in range(30) for event in call_events(f"260307120000_{number}", 2)]
    async with receiver, running(settings(data_dir, endpoint(receiver), concurrency=3)) as run:
        await publish(run.address, events)
        await eventually(lambda: len(receiver.webhooks) == len(events))

        assert receiver.most_under_way == 3


async def test_an_early_recording_waits_for_the_events_before_it(data_dir: Path) -> None:
    recording = an_event(EventType.RECORDING_READY, sequence=4, call=FIRST[0].call, link=1)
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [recording])
        assert run.metric("switchhook_events_held") == 1
        await publish(run.address, [FIRST[0], SECOND[0]])
        await eventually(lambda: len(receiver.webhooks) == 2)
        await publish(run.address, [FIRST[2], FIRST[1]])
        await eventually(lambda: len(receiver.webhooks) == 5)

        mine = [id for id in receiver.ids if id != SECOND[0].id]
        assert mine == [FIRST[0].id, FIRST[1].id, FIRST[2].id, recording.id]
        assert run.metric("switchhook_events_held") == 0


async def test_a_type_that_makes_no_delivery_still_fills_its_place(data_dir: Path) -> None:
    call = FIRST[0].call
    stopped = an_event(EventType.RINGING_STOPPED, sequence=2, call=call)
    async with WebhookReceiver() as receiver, running(settings(data_dir, endpoint(receiver))) as run:
        await publish(run.address, [FIRST[2], FIRST[0]])
        await eventually(lambda: len(receiver.webhooks) == 1)
        await publish(run.address, [stopped])
        await eventually(lambda: len(receiver.webhooks) == 2)

        assert receiver.ids == [FIRST[0].id, FIRST[2].id]


async def test_a_held_event_survives_a_restart(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, [FIRST[1]])
        async with running(settings(data_dir, endpoint(receiver))) as run:
            assert run.metric("switchhook_events_held") == 1
            await publish(run.address, [FIRST[0]])
            await eventually(lambda: len(receiver.webhooks) == 2)

        assert receiver.ids == [FIRST[0].id, FIRST[1].id]


async def test_after_the_hold_a_call_goes_on_without_what_is_missing(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with running(settings(data_dir, endpoint(receiver), hold="300ms")) as run:
            await publish(run.address, [FIRST[3], FIRST[2]])
            await eventually(lambda: len(receiver.webhooks) == 2)
            # The call is not waited for any more, and what was missing is still delivered when it comes.
            await publish(run.address, [FIRST[1]])
            await eventually(lambda: len(receiver.webhooks) == 3)

        assert receiver.ids == [FIRST[2].id, FIRST[3].id, FIRST[1].id]
    assert Tables(data_dir).rows("SELECT COUNT(*) FROM events WHERE held_until IS NOT NULL") == [(0,)]
