"""Whatever receivers answer, however events arrive, and however often the dispatcher restarts: all of it, in order."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.breaker import BreakerRules
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.dispatcher.harness import NO_DEADLINES, Running, Tables, endpoint, publish, running, settings
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from switchhook.events import Event

CALLS = 25
LENGTH = 6
ROUNDS = 4
ASKED = ("disable", "abort-message", "whatever")


def arrivals(dice: random.Random) -> list[Event]:
    """The events of many calls, interleaved; some late, some twice."""
    events = [
        an_event(sequence=sequence, call=a_call(f"230307114903_{call}"))
        for sequence in range(1, LENGTH + 1)
        for call in range(CALLS)
    ]
    for place in range(len(events) - 1, 0, -1):
        if dice.random() < 0.1:
            later = min(place + dice.randrange(2 * CALLS), len(events) - 1)
            events[place], events[later] = events[later], events[place]
    return events + dice.sample(events, 20)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_event_arrives_in_the_order_of_its_call(data_dir: Path, database_url: str, seed: int) -> None:
    dice = random.Random(seed)

    def moody(_: Webhook) -> Answer | None:
        mood = dice.random()
        if mood < 0.15:
            return Answer(status=dice.choice([301, 404, 500]))
        return Answer(close=True) if mood < 0.2 else Answer(delay=dice.random() / 100)

    events = arrivals(dice)
    size = len(events) // ROUNDS + 1
    rules = BreakerRules(probe_interval=timedelta(milliseconds=100))  # bad luck at the start may open it
    async with WebhookReceiver(rule=moody) as first, WebhookReceiver(rule=moody) as second:
        receivers = {"first": first, "second": second}
        endpoints = [
            endpoint(receiver, name, retry_schedule=("20ms",) * 50, timeout="2s")
            for name, receiver in receivers.items()
        ]
        for turn in range(ROUNDS):
            configuration = settings(data_dir, *endpoints, database=database_url, concurrency=5)
            async with running(configuration, breaker_rules=rules) as run:
                await publish(run.address, events[turn * size : (turn + 1) * size], batch=dice.randrange(1, 40))
                if turn == ROUNDS - 1:
                    await eventually(lambda: _pending(run, receivers) == 0, within=30)

    for receiver in (first, second):
        for call in range(CALLS):
            ids = [id for id in receiver.ids if id.startswith(f"main-230307114903_{call}-")]
            in_turn = [id for id, _ in groupby(ids)]
            assert in_turn == [f"main-230307114903_{call}-{sequence}" for sequence in range(1, LENGTH + 1)]


@pytest.mark.parametrize("seed", [4, 5])
async def test_every_event_is_delivered_expired_or_dead_and_in_order_whatever_is_answered(
    data_dir: Path, seed: int
) -> None:
    dice = random.Random(seed)

    def moody(_: Webhook) -> Answer | None:
        mood = dice.random()
        if mood < 0.1:
            return Answer(status=dice.choice([404, 410, 500]))
        if mood < 0.2:
            return Answer(status=dice.choice([204, 422]), headers={"webhook-delivery": dice.choice(ASKED)})
        return Answer(close=True) if mood < 0.4 else Answer(delay=dice.random() / 50)

    async def resume(run: Running) -> None:
        while True:
            await asyncio.sleep(0.05)
            if run.dispatcher.endpoints is not None:
                await run.dispatcher.endpoints.resume("crm")

    fresh = [replace(event, occurred_at=utc_now()) for event in arrivals(dice)]
    size = len(fresh) // ROUNDS + 1
    rules = BreakerRules(least_attempts=6, failed_share=0.5, probe_interval=timedelta(milliseconds=100))
    deadlines = {**NO_DEADLINES, "ringing": "4s"}
    async with WebhookReceiver(rule=moody) as receiver:
        crm = endpoint(receiver, retry_schedule=("20ms",) * 3, timeout="2s", deadlines=deadlines, rate_limit=300)
        for turn in range(ROUNDS):
            async with running(settings(data_dir, crm, concurrency=5), breaker_rules=rules) as run:
                resuming = asyncio.create_task(resume(run))
                await publish(run.address, fresh[turn * size : (turn + 1) * size], batch=dice.randrange(1, 40))
                if turn == ROUNDS - 1:
                    await eventually(lambda: _pending(run, ["crm"]) == 0, within=30)
                resuming.cancel()

    for call in range(CALLS):
        places = [int(id.rpartition("-")[2]) for id in receiver.ids if f"_{call}-" in id]
        assert places == sorted(places)
    rows = Tables(data_dir).rows("SELECT status, reason <> '' FROM deliveries")
    assert len(rows) == CALLS * LENGTH
    assert {(status, has_reason) for status, has_reason in rows} <= {("delivered", 0), ("dead", 1), ("expired", 1)}
    delivered = Tables(data_dir).rows(
        "SELECT id FROM deliveries JOIN events ON number = event WHERE status = 'delivered'"
    )
    assert {id for (id,) in delivered} <= set(receiver.ids)


def _pending(run: Running, endpoints: Iterable[str]) -> float:
    return sum(run.metric("switchhook_deliveries_pending", endpoint=name) for name in endpoints)
