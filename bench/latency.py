"""How soon after its event a webhook arrives: hand-over to first byte, at a steady rate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.processes import say
from bench.publishing import new_messages, publish
from bench.receiving import receiving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.receiving import Receiver

_WARM_UP = 1.0  # seconds


def share_of(waits: list[float], share: float) -> float:
    """The wait that such a share of all does not exceed, in milliseconds."""
    return sorted(waits)[min(int(len(waits) * share), len(waits) - 1)] * 1000


async def waits_at(receiver: Receiver, address: str, *, rate: float, seconds: float) -> list[float]:
    """From hand-over to first byte, in seconds; the first second of the run does not count."""
    messages = await asyncio.to_thread(new_messages, int(rate * (seconds + _WARM_UP)))
    at_by_id = await publish(address, messages, rate=rate)
    arrivals = await receiver.take(at_by_id)
    counted = list(at_by_id.items())[int(rate * _WARM_UP) :]
    return [arrivals[one] - at for one, at in counted]


async def from_intake(folder: Path, databases: Mapping[str, str], *, core: int, rate: float, seconds: float) -> None:
    """Prints the latencies at a rate, for each database."""
    with receiving(folder, "latency") as receiver:
        for name, database in databases.items():
            where = Where(folder=folder / f"latency-{name}", core=core, url=receiver.url, database=database)
            async with dispatching(where) as dispatcher:
                waits = await waits_at(receiver, dispatcher.address, rate=rate, seconds=seconds)
            p50, p99, most = (share_of(waits, share) for share in (0.5, 0.99, 1))
            say(
                f"  {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms (aims 3 and 15), at most {most:.0f} ms",
            )
