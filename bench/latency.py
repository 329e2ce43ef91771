"""How soon after its event a webhook arrives: hand-over to first byte, at a steady rate; alone and beside trouble."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.processes import resident_bytes, say
from bench.publishing import new_messages, publish
from bench.receiving import receiving
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.receiving import Receiver

_OPENS_AT = 10  # attempts, after which the breaker may open
_QUIET = 2.0  # seconds; longer than an attempt at the endpoint that hangs
_PATIENCE = 30.0  # seconds
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


async def beside_parked(folder: Path, *, core: int, parked: int, rate: float, seconds: float, rounds: int) -> None:
    """Parks deliveries of an endpoint that hangs; prints what they weigh, then what another endpoint feels of them."""
    with receiving(folder, "healthy") as healthy, receiving(folder, "hanging", is_hanging=True) as hanging:
        troubled = Where(folder=folder / "troubled", core=core, hanging=hanging.url)
        await _park(troubled, hanging, parked)
        alone = Where(folder=folder / "alone", core=core, url=healthy.url)
        both = Where(folder=folder / "troubled", core=core, url=healthy.url, hanging=hanging.url)
        without: list[float] = []
        beside: list[float] = []
        tried = hanging.noted
        for _ in range(rounds):
            async with dispatching(alone) as dispatcher:
                without += await waits_at(healthy, dispatcher.address, rate=rate, seconds=seconds)
            async with dispatching(both) as dispatcher:
                await _parked(hanging, more_than=hanging.noted)
                beside += await waits_at(healthy, dispatcher.address, rate=rate, seconds=seconds)
        tried = hanging.look() - tried
    p99, p99_beside = share_of(without, 0.99), share_of(beside, 0.99)
    say(f"  healthy endpoint alone: p50 {share_of(without, 0.5):.1f} ms, p99 {p99:.1f} ms at {rate:.0f}/s")
    say(f"  beside {parked:,} parked: p50 {share_of(beside, 0.5):.1f} ms, p99 {p99_beside:.1f} ms")
    say(f"    (and {tried} attempts at the endpoint that hangs, while its breaker opened and as probes)")
    say(f"  ratio of the p99s: {p99_beside / p99:.2f} (aim 1.5)")


async def _park(where: Where, hanging: Receiver, parked: int) -> None:
    async with dispatching(where) as dispatcher:
        before = hanging.noted
        await publish(dispatcher.address, await asyncio.to_thread(new_messages, max(parked // 20, 1)), rate=None)
        await _parked(hanging, more_than=before)
        empty = resident_bytes(dispatcher.pid)
        messages = await asyncio.to_thread(new_messages, parked)
        await publish(dispatcher.address, messages, rate=None)
        await asyncio.sleep(_QUIET)
        grown = resident_bytes(dispatcher.pid) - empty
    say(
        f"  {parked:,} pending deliveries: {grown / 1e6:.1f} MB more than {empty / 1e6:.0f} MB: "
        f"{grown / 1e6 / parked * 100_000:.1f} MB for each 100,000"
    )


async def _parked(hanging: Receiver, *, more_than: int) -> None:
    """Attempts were made, and no more are: the breaker is open."""
    last, since = -1, 0.0

    def is_quiet() -> bool:
        nonlocal last, since
        now, noted = asyncio.get_running_loop().time(), hanging.look()
        if noted != last:
            last, since = noted, now
        return hanging.noted >= more_than + _OPENS_AT and now - since > _QUIET

    await eventually(is_quiet, within=_PATIENCE, message="the breaker did not open")
