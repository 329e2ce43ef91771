"""Whatever receivers answer, however events arrive, and however often the dispatcher restarts: all of it, in order."""

from __future__ import annotations

import random
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from tests.deadline import eventually
from tests.integration.dispatcher.harness import Running, endpoint, publish, running, settings
from tests.receiver import Answer, Webhook, WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from switchhook.events import Event

CALLS = 25
LENGTH = 6
ROUNDS = 4


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
async def test_every_event_arrives_in_the_order_of_its_call(data_dir: Path, seed: int) -> None:
    dice = random.Random(seed)

    def moody(_: Webhook) -> Answer | None:
        mood = dice.random()
        if mood < 0.15:
            return Answer(status=dice.choice([301, 404, 500]))
        return Answer(close=True) if mood < 0.2 else Answer(delay=dice.random() / 100)

    events = arrivals(dice)
    size = len(events) // ROUNDS + 1
    async with WebhookReceiver(rule=moody) as first, WebhookReceiver(rule=moody) as second:
        receivers = {"first": first, "second": second}
        endpoints = [
            endpoint(receiver, name, retry_schedule=("20ms",) * 50, timeout="2s")
            for name, receiver in receivers.items()
        ]
        for turn in range(ROUNDS):
            async with running(settings(data_dir, *endpoints, concurrency=5)) as run:
                await publish(run.address, events[turn * size : (turn + 1) * size], batch=dice.randrange(1, 40))
                if turn == ROUNDS - 1:
                    await eventually(lambda: _pending(run, receivers) == 0, within=30)

    for receiver in (first, second):
        for call in range(CALLS):
            ids = [id for id in receiver.ids if id.startswith(f"main-230307114903_{call}-")]
            in_turn = [id for id, _ in groupby(ids)]
            assert in_turn == [f"main-230307114903_{call}-{sequence}" for sequence in range(1, LENGTH + 1)]


def _pending(run: Running, endpoints: Iterable[str]) -> float:
    return sum(run.metric("switchhook_deliveries_pending", endpoint=name) for name in endpoints)
