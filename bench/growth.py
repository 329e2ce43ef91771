"""Whether a large table is slower than a small one: deliveries a second beside more and more delivered events."""

from __future__ import annotations

import statistics
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.processes import say
from bench.receiving import receiving
from bench.stored import fill
from bench.throughput import one_round

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.dispatching import Running


async def as_it_grows(
    folder: Path, databases: Mapping[str, str], sizes: list[int], *, core: int, count: int, rounds: int
) -> None:
    """Prints how many deliveries a second there are with so many events in the log already, for each database."""
    for name, database in databases.items():
        await _of_one(folder, name, database, sizes, core=core, count=count, rounds=rounds)


async def _of_one(
    folder: Path, name: str, database: str, sizes: list[int], *, core: int, count: int, rounds: int
) -> None:
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving(folder, f"growth-{name}"))
        dispatcher_by_size: dict[int, Running] = {}
        for size in sizes:
            filled = await fill(folder / f"{name}-{size}", database, size)
            took = f"{filled.seconds:.1f} s, {filled.megabytes:.0f} MB"
            say(f"  {name}: {size:>9,} delivered events written by SQL: {took}")
            where = Where(folder=folder / f"{name}-{size}", core=core, url=receiver.url, database=filled.database)
            dispatcher_by_size[size] = await stack.enter_async_context(dispatching(where))
        rates: dict[int, list[float]] = {size: [] for size in sizes}
        for number in range(rounds + 1):
            for size, dispatcher in dispatcher_by_size.items():
                figure = await one_round(receiver, dispatcher, count if number else max(count // 5, 1))
                if number:
                    rates[size].append(figure.rate)
    for size, of_size in rates.items():
        share = statistics.median(one / first for one, first in zip(of_size, rates[sizes[0]], strict=True))
        rate = statistics.median(of_size)
        say(f"  {name}, with {size:>9,} rows: {rate:.0f}/s, {share:.2f} of the first (aim 0.90 to 1.10)")
