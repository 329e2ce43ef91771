"""What an endpoint that hangs costs the others: before its breaker has opened, after it, and in memory.

It accepts connections and never answers, and every event is one for it, too. Its attempts end late, as with the
product's usual timeout of 15 s: after each start all of them hang for a while, and nobody knows yet that it is dead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench.dispatching import Where, dispatching
from bench.latency import share_of, waits_at
from bench.processes import resident_bytes, say
from bench.publishing import EVENTS_PER_CALL, new_messages, publish
from bench.receiving import receiving
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.receiving import Receiver

AT_ONCE = 64  # the default of `dispatcher.concurrency`
_MARGIN = 2.0  # seconds, in which the attempts that ended are noted, and others would start if they could
_START_WITHIN = 30.0  # seconds


async def beside_parked(
    folder: Path, *, core: int, parked: int, rate: float, seconds: float, rounds: int, patience: float = 15.0
) -> None:
    """Parks deliveries of an endpoint that hangs; prints what they weigh, then what another endpoint feels of them.

    Attempts at it end after `patience` seconds; that must be longer than the measured `seconds`.
    """
    with receiving(folder, "healthy") as healthy, receiving(folder, "hanging", is_hanging=True) as hanging:
        troubled = Where(folder=folder / "troubled", core=core, hanging=hanging.url, patience=patience)
        await _park(troubled, hanging, parked)
        alone = Where(folder=folder / "alone", core=core, url=healthy.url)
        both = Where(folder=folder / "troubled", core=core, url=healthy.url, hanging=hanging.url, patience=patience)
        waits: dict[str, list[float]] = {"alone": [], "before its breaker opens": [], "after": []}
        for _ in range(rounds):
            async with dispatching(alone) as dispatcher:
                waits["alone"] += await waits_at(healthy, dispatcher.address, rate=rate, seconds=seconds)
            tried = hanging.look()
            async with dispatching(both) as dispatcher:
                await _attempts(hanging, tried + AT_ONCE)
                hung_at = asyncio.get_running_loop().time()
                waits["before its breaker opens"] += await waits_at(
                    healthy, dispatcher.address, rate=rate, seconds=seconds
                )
                spent = asyncio.get_running_loop().time() - hung_at
                _demand(spent < patience, f"the first attempts ended meanwhile: it took {spent:.0f} s")
                await asyncio.sleep(patience + _MARGIN - spent)
                _demand(hanging.look() == tried + AT_ONCE, "the breaker did not open")
                waits["after"] += await waits_at(healthy, dispatcher.address, rate=rate, seconds=seconds)
    _tell(waits, parked, rate)


async def _park(where: Where, hanging: Receiver, parked: int) -> None:
    async with dispatching(where) as dispatcher:
        enough = max(parked // 20, 2 * AT_ONCE * EVENTS_PER_CALL)  # calls for all attempts that may be made at once
        await publish(dispatcher.address, await asyncio.to_thread(new_messages, enough), rate=None)
        await _attempts(hanging, AT_ONCE)
        empty = resident_bytes(dispatcher.pid)
        messages = await asyncio.to_thread(new_messages, parked)
        await publish(dispatcher.address, messages, rate=None)
        await asyncio.sleep(_MARGIN)
        grown = resident_bytes(dispatcher.pid) - empty
    say(
        f"  {parked:,} pending deliveries: {grown / 1e6:.1f} MB more than {empty / 1e6:.0f} MB: "
        f"{grown / 1e6 / parked * 100_000:.1f} MB for each 100,000"
    )


async def _attempts(hanging: Receiver, wanted: int) -> None:
    await eventually(
        lambda: hanging.look() >= wanted, within=_START_WITHIN, message="the endpoint that hangs is not tried"
    )


def _demand(is_so: bool, otherwise: str) -> None:
    """A figure whose circumstances were others is none."""
    if not is_so:
        raise RuntimeError(otherwise)


def _tell(waits: Mapping[str, list[float]], parked: int, rate: float) -> None:
    alone = share_of(waits["alone"], 0.99)
    for name, each in waits.items():
        p50, p99, most = (share_of(each, share) for share in (0.5, 0.99, 1))
        beside = "" if name == "alone" else f": ratio {p99 / alone:.2f} (aim at most 1.5)"
        who = "healthy endpoint alone" if name == "alone" else f"beside {parked:,} parked, {name}"
        say(f"  {who}, {rate:.0f}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.0f} ms{beside}")
