"""Deliveries a second: what is stored, sent and settled in rounds, so that a noisy moment hits all who are compared."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.processes import processor_seconds, running, say
from bench.publishing import new_messages, publish
from bench.receiving import receiving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.dispatching import Running
    from bench.processes import Companion
    from bench.receiving import Receiver

CONNECTIONS = 64  # the default of `dispatcher.concurrency`
_SETTLED = 0.3  # seconds in which the last settlements are written
_AIM_BY_NAME = {"SQLite": 0.6, "PostgreSQL": 0.4}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed: deliveries (or requests) a second, and the processor seconds that each cost."""

    rate: float
    cost: float


async def one_round(receiver: Receiver, dispatcher: Running, count: int, *, traced: float = 0.0) -> Round:
    """From the moment the first event is handed over until the last webhook arrives; its cost until all are settled.

    A share of the calls is `traced`.
    """
    messages = await asyncio.to_thread(partial(new_messages, count, share=traced))
    before = processor_seconds(dispatcher.pid)
    at_by_id = await publish(dispatcher.address, messages, rate=None)
    arrivals = await receiver.take(at_by_id)
    await asyncio.sleep(_SETTLED)
    cost = (processor_seconds(dispatcher.pid) - before) / count
    return Round(rate=count / (max(arrivals.values()) - min(at_by_id.values())), cost=cost)


async def against_bare_client(
    folder: Path, databases: Mapping[str, str], *, core: int, count: int, rounds: int, profile: str = ""
) -> None:
    """Prints how many deliveries a second each database bears, beside a client that stores nothing."""
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving(folder, "throughput"))
        # A receiver of its own: both make events from the first on, and the ids would be the same.
        beside = stack.enter_context(receiving(folder, "bare"))
        as_many = (f"--core={core}", f"--connections={CONNECTIONS}")
        bare = stack.enter_context(running("bench.bare", beside.url, *as_many))
        own = stack.enter_context(running("bench.bare", beside.url, *as_many, "--own"))
        dispatcher_by_name: dict[str, Running] = {}
        for name, database in databases.items():
            where = Where(
                folder=folder / name,
                core=core,
                url=receiver.url,
                database=database,
                profile=profile if name == "SQLite" else "",
            )
            dispatcher_by_name[name] = await stack.enter_async_context(dispatching(where))
        bare_rounds: list[Round] = []
        own_rounds: list[Round] = []
        rounds_by_name: dict[str, list[Round]] = {name: [] for name in databases}
        for number in range(rounds + 1):
            size = count if number else max(count // 5, 1)  # the first round warms up and does not count
            figures = {name: await one_round(receiver, each, size) for name, each in dispatcher_by_name.items()}
            bare_figure, own_figure = await _bare(bare, size), await _bare(own, size)
            if number:
                bare_rounds.append(bare_figure)
                own_rounds.append(own_figure)
                for name, figure in figures.items():
                    rounds_by_name[name].append(figure)
    say(f"  the dispatcher's client alone: {_of(own_rounds)}; medians of {rounds} rounds of {count:,}")
    _tell(bare_rounds, rounds_by_name)


async def _bare(client: Companion, count: int) -> Round:
    before = processor_seconds(client.process.pid)
    client.tell(str(count))
    seconds, preparing = map(float, (await asyncio.to_thread(client.line)).split())
    cost = (processor_seconds(client.process.pid) - before - preparing) / count
    return Round(rate=count / seconds, cost=cost)


def _tell(bare: list[Round], rounds_by_name: dict[str, list[Round]]) -> None:
    say(f"  bare client: {_of(bare)}")
    for name, rounds in rounds_by_name.items():
        share = statistics.median(one.rate / best.rate for one, best in zip(rounds, bare, strict=True))
        cost = statistics.median(best.cost / one.cost for one, best in zip(rounds, bare, strict=True))
        say(f"  {name}: {_of(rounds)}; {share:.0%} of the bare client's rate (aim {_AIM_BY_NAME[name]:.0%}),")
        say(f"    {cost:.0%} if it is told by processor time, which other programs on the machine disturb less")


def _of(rounds: list[Round]) -> str:
    rate, cost = statistics.median(one.rate for one in rounds), statistics.median(one.cost for one in rounds)
    return f"{rate:.0f} a second at {cost * 1e6:.0f} µs of processor time each"
