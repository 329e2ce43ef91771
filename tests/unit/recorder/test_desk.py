"""A desk whose surroundings break in a way that nobody thought of."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.recorder.conversion import Workshop
from services.recorder.desk import Desk, Patience, Troubles
from services.recorder.findings import Listed
from services.recorder.jobs import pending_call
from services.recorder.metrics import RecorderMetrics
from services.recorder.trouble import Trouble
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import ServiceHealth
from tests.deadline import eventually
from tests.unit.recorder.calls import START, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.recorder.jobs import Outcome
    from services.recorder.matching import AwaitedLink
    from services.recorder.rows import RecordingRow


class Broken:
    """Settles nothing, and counts how often it was asked."""

    asked = 0

    async def settle(self, _link: AwaitedLink, _outcome: Outcome, _rows: Sequence[RecordingRow]) -> None:
        self.asked += 1
        raise OverflowError("date value out of range")

    async def count_attempt(self, _: AwaitedLink) -> None:
        """Nobody wants to know."""


async def test_what_breaks_again_and_again_is_tried_at_a_pace() -> None:
    [link] = pending_call(final(), accepted_at=START).links
    health, settlement = ServiceHealth(), Broken()
    nothing = dict.fromkeys(("transcoder", "store"))
    workshop = Workshop(
        work_dir=Path("/nowhere"),
        program="",
        bitrate=32,
        min_length=timedelta(),
        metrics=RecorderMetrics(CollectorRegistry()),
        **nothing,  # type: ignore[arg-type]  # nothing is converted
    )
    desk = Desk(
        None,  # type: ignore[arg-type]  # nothing is fetched
        workshop,
        settlement,  # type: ignore[arg-type]  # all that a desk asks of one
        links=None,
        troubles=Troubles(
            pbx=Trouble("pbx", health=health, clock=utc_now), storage=Trouble("storage", health=health, clock=utc_now)
        ),
        patience=Patience(wait_for_recording=timedelta(minutes=1), first_pause=timedelta(seconds=0.1), workers=1),
        left=lambda _: None,
        clock=utc_now,
    )
    desk.take(link, Listed(link=1, rows=(), since=START, attempts=0, looks=0))
    running = asyncio.create_task(desk.run())
    try:
        await eventually(lambda: settlement.asked >= 4)
        asked = settlement.asked
        await asyncio.sleep(0.3)
        assert settlement.asked - asked <= 4
    finally:
        running.cancel()
        await asyncio.wait([running])
