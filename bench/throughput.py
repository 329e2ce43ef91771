"""Deliveries a second: what is stored, sent and settled in rounds, so that a noisy moment hits all who are compared."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.processes import running, say
from bench.publishing import new_messages, publish
from bench.receiving import receiving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.processes import Companion
    from bench.receiving import Receiver

CONNECTIONS = 64  # the default of `dispatcher.concurrency`
_AIM_BY_NAME = {"SQLite": 0.6, "PostgreSQL": 0.4}


async def delivered_a_second(receiver: Receiver, address: str, count: int) -> float:
    """One round: from the moment the first event is handed over until the last webhook arrives."""
    messages = await asyncio.to_thread(new_messages, count)
    at_by_id = await publish(address, messages, rate=None)
    arrivals = await receiver.take(at_by_id)
    return count / (max(arrivals.values()) - min(at_by_id.values()))


async def against_bare_client(
    folder: Path, databases: Mapping[str, str], *, core: int, count: int, rounds: int, profile: str = ""
) -> None:
    """Prints how many deliveries a second each database bears, beside a client that stores nothing."""
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving(folder, "throughput"))
        # A receiver of its own: both make events from the first on, and the ids would be the same.
        beside = stack.enter_context(receiving(folder, "bare"))
        bare = stack.enter_context(running("bench.bare", beside.url, f"--core={core}", f"--connections={CONNECTIONS}"))
        address_by_name = {}
        for name, database in databases.items():
            where = Where(
                folder=folder / name,
                core=core,
                url=receiver.url,
                database=database,
                profile=profile if name == "SQLite" else "",
            )
            address_by_name[name] = (await stack.enter_async_context(dispatching(where))).address
        rates: dict[str, list[float]] = {name: [] for name in ("bare client", *databases)}
        for number in range(rounds + 1):
            size = count if number else max(count // 5, 1)  # the first round warms up and does not count
            figures = {"bare client": await _bare(bare, size)}
            for name, address in address_by_name.items():
                figures[name] = await delivered_a_second(receiver, address, size)
            for name, figure in figures.items() if number else ():
                rates[name].append(figure)
    _tell(rates, count)


async def _bare(client: Companion, count: int) -> float:
    client.tell(str(count))
    return count / float(await asyncio.to_thread(client.line))


def _tell(rates: dict[str, list[float]], count: int) -> None:
    bare = rates.pop("bare client")
    say(f"  bare client: {statistics.median(bare):.0f} requests/s, median of {len(bare)} rounds of {count:,}")
    for name, of_database in rates.items():
        share = statistics.median(one / best for one, best in zip(of_database, bare, strict=True))
        rate, aim = statistics.median(of_database), _AIM_BY_NAME[name]
        say(f"  {name}: {rate:.0f} deliveries/s, {share:.0%} of the bare client (aim {aim:.0%})")
