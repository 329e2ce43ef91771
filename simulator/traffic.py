"""Random traffic: a weighted mixture of all scenarios at a given rate, the same for the same seed."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from simulator.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.clock import Clock
    from simulator.play import Playbill

_CATCH_UP = 0.25
"""Seconds of calls that may be made up for after a stall; more would be a burst that nobody asked for."""
_TICK = 0.01


class Traffic:
    """Starts `rate` calls a second as long as fewer than `concurrent` live."""

    def __init__(self, playbill: Playbill, *, extensions: Sequence[str], seed: int) -> None:
        self.skipped = 0
        self._playbill = playbill
        self._extensions = list(extensions)
        self._random = random.Random(seed)
        self._names = list(SCENARIOS)
        self._weights = [scenario.weight for scenario in SCENARIOS.values()]

    async def run(self, clock: Clock, *, rate: float, concurrent: int) -> None:
        due = time.monotonic()
        while True:
            await clock.sleep(max(due - time.monotonic(), _TICK))
            now = time.monotonic()
            due = max(due, now - _CATCH_UP)
            while due <= now:
                due += 1.0 / rate
                if len(self._playbill.live) < concurrent:
                    self.start_one()
                else:
                    self.skipped += 1
            await asyncio.sleep(0)

    def start_one(self) -> None:
        pick = self._random
        name = pick.choices(self._names, self._weights)[0]
        extension, colleague, third = pick.sample(self._extensions, 3)
        self._playbill.start(
            name,
            changes={
                "number": f"0{pick.randrange(100_000_000, 999_999_999)}",
                "extension": extension,
                "colleague": colleague,
                "members": (extension, third),
            },
        )
