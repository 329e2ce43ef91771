"""What was acknowledged is delivered, whatever happens to the dispatcher, its disk or its configuration."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.integration.dispatcher.process import DispatcherProcess
from tests.integration.dispatcher.stock import fill
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = [an_event(sequence=sequence) for sequence in (1, 2, 3)]
IDS = [event.id for event in EVENTS]


async def test_what_was_pending_at_a_stop_goes_on_after_the_start(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, EVENTS)
            await eventually(lambda: receiver.webhooks)
        receiver.default = Answer()
        failed = len(receiver.webhooks)
        async with running(settings(data_dir, endpoint(receiver))) as run:
            assert run.metric("switchhook_deliveries_pending", endpoint="crm") == len(EVENTS)
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 0)

        assert receiver.ids == [IDS[0]] * (failed + 1) + IDS[1:]
    assert Tables(data_dir).statuses() == ["delivered"] * 3


async def test_a_repeat_is_acknowledged_and_dropped(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, [*EVENTS, EVENTS[0]])
            await publish(run.address, EVENTS)
            assert run.metric("switchhook_events_repeated_total") == 4
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, EVENTS)
            assert run.metric("switchhook_events_repeated_total") == 3
            assert run.metric("switchhook_events_accepted_total") == 0
            await publish(run.address, [an_event(sequence=4)])
            await eventually(lambda: len(receiver.webhooks) == 4)

        assert receiver.ids[:3] == IDS


async def test_a_stop_lets_the_attempt_under_way_finish_and_settles_it(data_dir: Path) -> None:
    async with WebhookReceiver(default=Answer(delay=0.3)) as receiver:
        async with running(settings(data_dir, endpoint(receiver))) as run:
            await publish(run.address, EVENTS)
            await eventually(lambda: receiver.webhooks)

        assert receiver.ids == IDS[:1]
    assert Tables(data_dir).statuses() == ["delivered", "pending", "pending"]


async def test_deliveries_of_a_removed_endpoint_are_dead_and_said_once(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        async with running(settings(data_dir, endpoint(receiver, "gone"), endpoint(receiver, "crm"))) as run:
            await publish(run.address, EVENTS)
        async with running(settings(data_dir, endpoint(receiver, "crm"))):
            said = [record for record in caplog.records if record.getMessage() == "deliveries.abandoned"]
            assert [(vars(record)["endpoint"], vars(record)["deliveries"]) for record in said] == [("gone", 3)]
    rows = Tables(data_dir).rows("SELECT endpoint, status, reason FROM deliveries WHERE endpoint = 'gone'")
    assert rows == [("gone", "dead", "endpoint_removed")] * 3


async def test_finished_deliveries_are_forgotten_after_the_retention_and_pending_ones_are_not(data_dir: Path) -> None:
    def fail_the_second_call(webhook: Webhook) -> Answer | None:
        return Answer(status=500) if "_2-" in webhook.id else None

    later = utc_now() + timedelta(days=31)
    other = [an_event(sequence=sequence, call=a_call("230307114903_2")) for sequence in (1, 2)]
    async with WebhookReceiver(rule=fail_the_second_call) as receiver:
        crm = endpoint(receiver, retry_schedule=("90d",))
        async with running(settings(data_dir, crm)) as run:
            await publish(run.address, [*EVENTS, *other])
            await eventually(lambda: run.metric("switchhook_deliveries_pending", endpoint="crm") == 2)
            await eventually(lambda: len(Tables(data_dir).rows("SELECT 1 FROM attempts")) == 4)
        async with running(settings(data_dir, crm), clock=lambda: later):
            await eventually(lambda: len(Tables(data_dir).rows("SELECT 1 FROM events")) == 2)
    assert Tables(data_dir).statuses() == ["pending", "pending"]
    assert Tables(data_dir).rows("SELECT outcome FROM attempts") == [("retry",)]


async def test_a_kill_before_the_answer_sends_the_same_delivery_again(data_dir: Path) -> None:
    async with WebhookReceiver(Answer(delay=30)) as receiver:
        async with DispatcherProcess(data_dir, url=receiver.url) as process:
            await publish(process.address, EVENTS)
            await eventually(lambda: receiver.webhooks)
            await process.kill()
        async with DispatcherProcess(data_dir, url=receiver.url):
            await eventually(lambda: len(receiver.webhooks) == 4, within=15)

        assert receiver.ids == [IDS[0], *IDS]


async def test_a_kill_between_attempt_and_settlement_sends_the_same_delivery_again(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver:
        async with DispatcherProcess(data_dir, url=receiver.url) as process:
            await publish(process.address, [])
            with _unwritable(data_dir, receiver):
                await publish(process.address, EVENTS)
                await process.said("delivery.attempted")
                await process.kill()
        assert Tables(data_dir).statuses() == ["pending"] * 3
        assert receiver.ids == IDS[:1]
        async with DispatcherProcess(data_dir, url=receiver.url):
            await eventually(lambda: Tables(data_dir).statuses() == ["delivered"] * 3, within=15)

        assert receiver.ids == [IDS[0], *IDS]
    assert Tables(data_dir).rows("SELECT number, outcome FROM attempts") == [(1, "delivered")] * 3


async def test_what_a_full_disk_refuses_is_not_acknowledged_and_goes_later(data_dir: Path) -> None:
    async with WebhookReceiver() as receiver, DispatcherProcess(data_dir, url=receiver.url) as process:
        await publish(process.address, EVENTS[:1])
        await eventually(lambda: Tables(data_dir).statuses() == ["delivered"])
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await publish(process.address, EVENTS[1:])
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await process.said("events.refused")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await publish(process.address, EVENTS[1:])
        await process.said("events.accepted_again")
        await eventually(lambda: len(receiver.webhooks) == 3)

        assert receiver.ids == IDS


async def test_a_settlement_that_a_full_disk_refuses_is_written_later_without_another_attempt(data_dir: Path) -> None:
    async with WebhookReceiver(Answer(delay=0.5)) as receiver:
        async with DispatcherProcess(data_dir, url=receiver.url) as process:
            await publish(process.address, EVENTS)
            await eventually(lambda: receiver.webhooks)
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, hard))
            await process.said("delivery.unsettled")
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            await eventually(lambda: Tables(data_dir).statuses() == ["delivered"] * 3)

        assert receiver.ids == IDS


async def test_twenty_thousand_pending_deliveries_go_in_order_and_in_little_memory(data_dir: Path) -> None:
    calls, length = 5_000, 4
    await fill(data_dir, calls=calls, events_per_call=length, padding=4_000)
    async with WebhookReceiver() as receiver:
        async with DispatcherProcess(data_dir, url=receiver.url) as process:
            before = _memory(process.pid, "VmRSS")
            await eventually(lambda: len(receiver.webhooks) >= calls * length, within=100)
            most = _memory(process.pid, "VmHWM")

        assert len(receiver.webhooks) == calls * length
        place_by_id = {id: place for place, id in enumerate(receiver.ids)}
        assert len(place_by_id) == calls * length
        for call in range(calls):
            places = [place_by_id[f"main-230307114903_{call}-{sequence}"] for sequence in range(1, length + 1)]
            assert places == sorted(places)
        # The payloads alone are 80 MB.
        assert most - before < 40_000, f"{before} kB at the start, {most} kB at most"


async def test_a_second_dispatcher_on_the_same_data_is_refused(data_dir: Path) -> None:
    configuration = settings(data_dir)
    async with running(configuration):
        with pytest.raises(Exception, match="another process"):
            async with running(configuration):
                pass


def _memory(pid: int, field: str) -> int:
    """In kB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0])


@contextlib.contextmanager
def _unwritable(data_dir: Path, receiver: WebhookReceiver) -> Iterator[None]:
    """From the first webhook on, until the context ends, the database cannot be written."""
    connection = sqlite3.connect(data_dir / "dispatcher.sqlite3", isolation_level=None)

    def lock(_: Webhook) -> None:
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")

    receiver.rule = lock
    try:
        yield
    finally:
        receiver.rule = None
        connection.close()
