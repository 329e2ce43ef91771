"""Several dispatchers on one PostgreSQL: all deliver, no lane is under way twice, and the dead are taken over soon."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.cluster import Cluster
from tests.deadline import eventually
from tests.integration.dispatcher.harness import publish
from tests.integration.dispatcher.process import DispatcherProcess
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from switchhook.events import Event
    from tests.receiver import Webhook

pytestmark = pytest.mark.parametrize("engine", ["postgres"])

TAKEOVER = 10.0  # seconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of our own, which may be killed."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def events_of(calls: int, length: int) -> list[Event]:
    """The events of many calls, interleaved."""
    return [
        an_event(sequence=sequence, call=a_call(f"230307114903_{call}"))
        for sequence in range(1, length + 1)
        for call in range(calls)
    ]


def replicas(folder: Path, number: int, *, url: str, database: str, concurrency: int = 16) -> list[DispatcherProcess]:
    """Dispatchers with folders of their own on one database."""
    made = []
    for each in range(number):
        data_dir = folder / f"replica-{each}"
        data_dir.mkdir(exist_ok=True)
        made.append(DispatcherProcess(data_dir, url=url, database=database, concurrency=concurrency))
    return made


def demand_order(webhooks: Sequence[Webhook], events: Sequence[Event]) -> None:
    """Everything came, and each call's first receptions are in its order."""
    firsts = list(dict.fromkeys(webhook.id for webhook in webhooks))
    assert set(firsts) == {event.id for event in events}
    by_call = defaultdict(list)
    for webhook_id in firsts:
        call, _, sequence = webhook_id.rpartition("-")
        by_call[call].append(int(sequence))
    assert all(sequences == sorted(sequences) for sequences in by_call.values())


async def surely_published(address: str, events: Sequence[Event]) -> None:
    """Publish until everything is acknowledged, as producers do."""
    async with asyncio.timeout(60):
        while True:
            try:
                await publish(address, events, batch=20)
            except (grpc.aio.AioRpcError, AssertionError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                return


async def test_the_events_of_a_call_may_come_to_any_of_them_in_any_order(tmp_path: Path, database_url: str) -> None:
    """Each event to a dispatcher by chance, all at the same time: most have their predecessors at another one."""
    events = events_of(calls=30, length=8)
    dice = random.Random(7)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        running = [
            await stack.enter_async_context(process)
            for process in replicas(tmp_path, 3, url=receiver.url, database=database_url)
        ]
        shares = defaultdict(list)
        for event in events:
            shares[dice.randrange(3)].append(event)
        for share in shares.values():
            dice.shuffle(share)
        await asyncio.gather(*(surely_published(running[each].address, share) for each, share in shares.items()))
        await eventually(lambda: len(set(receiver.ids)) == len(events), 20, "not everything came")
    demand_order(receiver.webhooks, events)
    assert len(receiver.webhooks) == len(events), "a webhook was repeated without need"


async def test_a_lane_is_never_under_way_twice(tmp_path: Path, database_url: str) -> None:
    """Few calls, slow answers, the same events published to all: whoever claims first has it alone."""
    events = events_of(calls=4, length=5)
    under_way: set[str] = set()
    overlaps: list[str] = []

    def watch(webhook: Webhook) -> Answer:
        call = webhook.id.rpartition("-")[0]
        if call in under_way:
            overlaps.append(webhook.id)
        under_way.add(call)
        asyncio.get_running_loop().call_later(0.045, under_way.discard, call)
        return Answer(delay=0.05)

    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(rule=watch))
        running = [
            await stack.enter_async_context(process)
            for process in replicas(tmp_path, 2, url=receiver.url, database=database_url)
        ]
        await asyncio.gather(*(surely_published(process.address, events) for process in running))
        await eventually(lambda: len(set(receiver.ids)) == len(events), 20, "not everything came")
    demand_order(receiver.webhooks, events)
    assert not overlaps
    assert len(receiver.webhooks) == len(events), "a webhook was repeated without need"


async def test_a_backlog_is_shared(tmp_path: Path, database_url: str) -> None:
    """One accepts everything while nobody can deliver; afterwards both deliver."""
    events = events_of(calls=300, length=2)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(rule=lambda _: Answer(delay=0.2)))
        running = [
            await stack.enter_async_context(process)
            for process in replicas(tmp_path, 2, url=receiver.url, database=database_url)
        ]
        await surely_published(running[0].address, events)
        await eventually(lambda: len(set(receiver.ids)) == len(events), 40, "not everything came")
        attempted = [sum(line["event"] == "delivery.attempted" for line in process.lines) for process in running]
    demand_order(receiver.webhooks, events)
    assert min(attempted) > len(events) / 10, attempted


async def test_a_killed_one_is_taken_over_in_time(tmp_path: Path, database_url: str) -> None:
    """It dies in the middle of attempts, with more claimed and waiting; the other one goes on where it was."""
    events = events_of(calls=40, length=3)
    stuck = asyncio.Event()

    def rule(_: Webhook) -> Answer:
        return Answer(delay=0.01 if stuck.is_set() else 30)

    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(rule=rule))
        first, second = replicas(tmp_path, 2, url=receiver.url, database=database_url)
        await stack.enter_async_context(first)
        await surely_published(first.address, events)
        await eventually(lambda: receiver.under_way == 16, 10, "the attempts did not start")
        await stack.enter_async_context(second)
        stuck.set()
        await first.kill()
        killed_at = time.monotonic()
        await eventually(lambda: len(set(receiver.ids)) == len(events), 30, "not everything came")
        again = [webhook for webhook in receiver.webhooks if receiver.ids.count(webhook.id) == 2]
        taken_over_at = min(webhook.at for webhook in again if webhook.at > killed_at)
    assert taken_over_at - killed_at < TAKEOVER
    demand_order(receiver.webhooks, events)


async def test_one_that_was_frozen_for_longer_than_its_lease_comes_back_as_another(
    tmp_path: Path, database_url: str
) -> None:
    """What it had claimed was delivered by the other one meanwhile; it attempts none of that anew."""
    events = events_of(calls=30, length=4)
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(rule=lambda _: Answer(delay=0.2)))
        first, second = replicas(tmp_path, 2, url=receiver.url, database=database_url)
        await stack.enter_async_context(first)
        await surely_published(first.address, events)
        await stack.enter_async_context(second)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            await eventually(lambda: len(set(receiver.ids)) == len(events), 30, "not everything came")
            await second.said("replica.taken_over", within=15)
        finally:
            os.kill(first.pid, signal.SIGCONT)
        await first.said("replica.lease_lost", within=10)
        repeated = len(receiver.ids) - len(events)
    demand_order(receiver.webhooks, events)
    assert repeated <= 16, "more than was under way"


@pytest.mark.timeout(180)
async def test_kills_and_restarts_of_the_database_lose_nothing_and_keep_the_order(
    tmp_path: Path, database_url: str, cluster: Cluster
) -> None:
    events = events_of(calls=60, length=10)
    dice = random.Random(11)

    def moody(_: Webhook) -> Answer:
        mood = dice.random()
        if mood < 0.1:
            return Answer(status=dice.choice([500, 404]))
        return Answer(close=True) if mood < 0.15 else Answer(delay=dice.random() / 20)

    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(rule=moody))
        running = replicas(tmp_path, 2, url=receiver.url, database=database_url)
        for process in running:
            await stack.enter_async_context(process)
        publishing = asyncio.create_task(_published_to_any(running, events))
        for turn in range(6):
            await asyncio.sleep(dice.uniform(0.3, 1.0))
            if turn == 2:
                await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
                cluster.start()
            else:
                await running[turn % 2].kill()
                await running[turn % 2].__aenter__()
        await publishing
        await eventually(lambda: len(set(receiver.ids)) == len(events), 60, "not everything came")
    demand_order(receiver.webhooks, events)


async def _published_to_any(running: Sequence[DispatcherProcess], events: Sequence[Event]) -> None:
    """In the order of the calls, a piece here and a piece there, again elsewhere when one does not answer."""
    turns = itertools.cycle(running)
    for start in range(0, len(events), 30):
        async with asyncio.timeout(60):
            while True:
                try:
                    await publish(next(turns).address, events[start : start + 30])
                except (grpc.aio.AioRpcError, AssertionError, TimeoutError):
                    await asyncio.sleep(0.05)
                else:
                    break
        await asyncio.sleep(0.1)
