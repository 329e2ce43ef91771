"""A head that may go goes at once, in whichever order the event loop runs those who take part."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import CallKey
from services.dispatcher.breaker import USUAL_RULES
from services.dispatcher.claims import Claims
from services.dispatcher.deliveries import Deliveries, Head
from services.dispatcher.gate import Gate
from services.dispatcher.lanes import Lanes, Settled
from services.dispatcher.ready import Turn
from switchhook.events import EventId
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.dispatcher.stock import opened

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_head_that_comes_in_the_moment_in_which_the_last_worker_ends_does_not_wait(data_dir: Path) -> None:
    attempted: list[int] = []
    answered = asyncio.get_running_loop().create_future()

    async def deliver(turn: Turn) -> Settled:
        attempted.append(turn.head.event)
        await asyncio.shield(answered)
        return Settled()

    database = await opened(data_dir)
    lanes = Lanes(
        "crm",
        deliveries=Deliveries(database),
        claims=Claims(database),
        deliver=deliver,
        gate=Gate(rules=USUAL_RULES, now=utc_now()),
        may_probe=asyncio.Event().wait,
        concurrency=1,
        clock=utc_now,
    )
    running = asyncio.create_task(lanes.run())
    try:
        await eventually(lambda: lanes.has_room, message="the table is not read")
        lanes.offer(turn_of(1))
        await eventually(lambda: attempted == [1])
        answered.add_done_callback(lambda _: asyncio.get_running_loop().call_soon(lanes.offer, turn_of(2)))
        answered.set_result(None)
        await eventually(lambda: attempted == [1, 2], message="nobody attempts the second head")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


def turn_of(number: int) -> Turn:
    """That of a call's first event."""
    call = CallKey(f"main/230307114903_{number}")
    return Turn(Head(event=number, call=call, sequence=1, attempts=0, event_id=EventId(f"{number}"), payload=b""))
