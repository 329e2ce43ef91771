"""What an endpoint bears, it bears in total, however many dispatchers share the database."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.dispatcher.breaker import BreakerRules
from tests.deadline import eventually
from tests.integration.dispatcher.harness import Running, endpoint, publish, running, settings
from tests.integration.dispatcher.process import DispatcherProcess
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from switchhook.events import Event

pytestmark = pytest.mark.parametrize("engine", ["postgres"])

PROBE_INTERVAL = 1.0  # seconds


def first_events(count: int, *, start: int = 0) -> list[Event]:
    return [an_event(call=a_call(f"260307120000_{start + number}")) for number in range(count)]


async def two(stack: AsyncExitStack, folder: Path, **given: Any) -> list[DispatcherProcess]:
    """Dispatchers in processes of their own that know of each other."""
    made = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        made.append(await stack.enter_async_context(DispatcherProcess(folder / name, **given)))
    await made[0].said("replicas.counted")  # the second one counted when it joined
    return made


async def both_publish(dispatchers: Sequence[DispatcherProcess], count: int) -> None:
    await asyncio.gather(
        *(
            publish(dispatcher.address, first_events(count, start=number * count))
            for number, dispatcher in enumerate(dispatchers)
        )
    )


def is_in(run: Running, state: str) -> bool:
    return run.metric("switchhook_endpoint_state", endpoint="crm", state=state) == 1


def attempts_of(dispatcher: DispatcherProcess) -> int:
    return sum(line["event"] == "delivery.attempted" for line in dispatcher.lines)


async def test_a_concurrency_holds_in_total(tmp_path: Path, database_url: str) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(default=Answer(delay=0.1)))
        dispatchers = await two(stack, tmp_path, url=receiver.url, database=database_url, concurrency=7)
        await both_publish(dispatchers, 50)
        await eventually(lambda: len(receiver.webhooks) == 100, within=20)
        assert all(attempts_of(dispatcher) > 20 for dispatcher in dispatchers)

    assert receiver.most_under_way == 6, "three each"


async def test_a_rate_limit_holds_in_total(tmp_path: Path, database_url: str) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        given = {"url": receiver.url, "database": database_url, "keys": {"rate_limit": 20}}
        dispatchers = await two(stack, tmp_path, **given)
        await both_publish(dispatchers, 30)
        await eventually(lambda: len(receiver.webhooks) == 60, within=20)

    took = receiver.webhooks[-1].at - receiver.webhooks[0].at
    assert took > (60 - 4) / 20 * 0.95, "both together were faster than the limit"


async def test_a_dead_endpoint_is_probed_by_one_at_a_time_and_all_go_on_when_it_answers(
    tmp_path: Path, database_url: str
) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver(default=Answer(status=500)))
        given = {"url": receiver.url, "database": database_url, "keys": {"retry_schedule": ("1h", "1h")}}
        dispatchers = await two(stack, tmp_path, **given, probe_interval=PROBE_INTERVAL, concurrency=2)
        await publish(dispatchers[0].address, first_events(60))
        for dispatcher in dispatchers:
            await dispatcher.said("endpoint.parked")
        parked_at = len(receiver.webhooks)
        await eventually(lambda: len(receiver.webhooks) >= parked_at + 3, within=20)
        receiver.default = Answer()
        for dispatcher in dispatchers:
            await dispatcher.said("endpoint.recovered", within=20)
        await publish(dispatchers[1].address, first_events(20, start=100))
        await eventually(lambda: set(receiver.ids) >= {event.id for event in first_events(20, start=100)}, within=20)

    probes = [webhook.at for webhook in receiver.webhooks[parked_at : parked_at + 3]]
    apart = [after - before for before, after in itertools.pairwise(probes)]
    assert min(apart) > 0.9 * PROBE_INTERVAL, apart


async def test_an_outage_that_several_find_out_is_told_once(tmp_path: Path, database_url: str) -> None:
    """Both see ten failures at the same moment."""
    rules = BreakerRules(probe_interval=timedelta(milliseconds=400))
    async with AsyncExitStack() as stack:
        crm = await stack.enter_async_context(WebhookReceiver(default=Answer(status=500, delay=0.3)))
        ops = await stack.enter_async_context(WebhookReceiver())
        entries = (endpoint(crm), endpoint(ops, "ops", events=("recording",)))
        runs = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            configuration = settings(tmp_path / name, *entries, database=database_url, operator_endpoint="ops")
            runs.append(await stack.enter_async_context(running(configuration, breaker_rules=rules)))
        await asyncio.gather(
            *(publish(run.address, first_events(20, start=50 * number)) for number, run in enumerate(runs))
        )
        await eventually(lambda: all(is_in(run, "open") for run in runs))
        crm.default = Answer()
        await eventually(lambda: all(is_in(run, "active") for run in runs), within=15)
        await eventually(
            lambda: set(crm.ids) == {event.id for event in [*first_events(20), *first_events(20, start=50)]}
        )
        told = [webhook.json["type"] for webhook in ops.webhooks]

    assert told == ["endpoint.paused", "endpoint.recovered"]
