"""The monitor is killed at random moments under traffic: afterwards every call has been told, once, whole, in order.

The short form runs with all tests. The long one (`make soak`) kills it `SOAK_MONITOR_KILLS` times under 50 calls a
second. Nobody pulls the PBX's list of calls together with the events: what it held is compared with what was received.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from simulator import Simulator, SimulatorOptions
from simulator.model import Direction
from tests.acceptance.product import Product
from tests.deadline import eventually
from tests.receiver import WebhookReceiver
from tests.soak.calls import Held, Told, differences, told

if TYPE_CHECKING:
    from pathlib import Path

SHORT_KILLS, SHORT_RATE = 8, 8.0  # calls a second
LONG_KILLS, LONG_RATE = int(os.environ.get("SOAK_MONITOR_KILLS", "100")), 50.0
_SERVICES = ("dispatcher", "monitor")
_NO_DELAY = timedelta()
_BORN_WITHIN = 60.0
_QUIET = 3.0  # seconds without a new webhook, once every call has its end
_SETTLED_WITHIN = 240.0
_TABLES = """
[[pbx]]
name = "main"
url = "{pbx}"
client_id = "switchhook"
client_secret = "secret"
[[endpoint]]
name = "crm"
url = "{receiver}"
format = "standard"
concurrency = 64
allow_private = ["127.0.0.0/8"]
deadlines = {{ ringing = "never", dialing = "never", ringing_stopped = "never", started = "never" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How often the monitor is killed, under how many calls a second, and by which dice."""

    kills: int
    rate: float
    seed: int

    async def run(self, folder: Path, database: str) -> None:
        """Raises AssertionError when the calls that were told are not those that were held."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            pbx = await stack.enter_async_context(
                Simulator(SimulatorOptions(extensions=200, speed=2.0, seed=self.seed, recording_delay=_NO_DELAY))
            )
            receiver = await stack.enter_async_context(WebhookReceiver())
            tables = _TABLES.format(pbx=pbx.url, receiver=receiver.url)
            product = Product(folder, tables, split=True, names=_SERVICES, database=database)
            await stack.enter_async_context(product)
            stopped = asyncio.Event()
            traffic = asyncio.create_task(self._traffic(pbx, stopped))
            await self._kills(product)
            stopped.set()
            await traffic
            for play in tuple(pbx.playbill.live):
                await play
            calls = _held(pbx)
            await _settled(receiver, calls)
            webhooks = _told(receiver)
        found = differences(webhooks, calls)
        assert not found, f"{len(found)} differences, seed {self.seed}:\n" + "\n".join(found[:20])
        late = sum(one.is_reconciled for one in webhooks)
        print(
            f"\nmonitor: {self.kills} kills, {len(calls)} calls ({self.rate:g} a second), {len(webhooks)} webhooks, "
            f"{late} reconciled, {time.monotonic() - began:.0f} s"
        )

    async def _traffic(self, pbx: Simulator, stopped: asyncio.Event) -> None:
        due = time.monotonic()
        while not stopped.is_set():
            pbx.traffic.start_one()
            due = max(due + 1.0 / self.rate, time.monotonic() - 1.0)
            await asyncio.sleep(max(due - time.monotonic(), 0.0))

    async def _kills(self, product: Product) -> None:
        """At any moment of its life, also before it is ready."""
        dice = random.Random(self.seed)
        for _ in range(self.kills):
            await asyncio.sleep(dice.uniform(0.0, 1.5))
            with suppress(ProcessLookupError):
                await product.kill("monitor")
            dead = product.pids["monitor"]
            starting = asyncio.create_task(product.start("monitor"))
            await _born(product, after=dead)
            if dice.random() < 0.3:
                await asyncio.wait([starting], timeout=dice.uniform(0.3, 1.5))
                if not starting.done():
                    starting.cancel()
                    with suppress(asyncio.CancelledError):
                        await starting
                    continue
            await starting
        with suppress(ProcessLookupError):
            await product.kill("monitor")
        await product.start("monitor")


@pytest.mark.timeout(400)
async def test_every_call_is_told_once_though_the_monitor_is_killed(tmp_path: Path) -> None:
    await Course(kills=SHORT_KILLS, rate=SHORT_RATE, seed=1).run(tmp_path, "sqlite:")


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_every_call_is_told_once_though_the_monitor_is_killed_for_long(tmp_path: Path, database_url: str) -> None:
    await Course(kills=LONG_KILLS, rate=LONG_RATE, seed=random.randrange(10_000)).run(tmp_path, database_url)


async def _born(product: Product, *, after: int) -> None:
    """Until there is another process than the dead one."""
    await eventually(lambda: product.pids["monitor"] != after, _BORN_WITHIN)


def _held(pbx: Simulator) -> list[Held]:
    """All calls with an outside party; the others are nobody's business."""
    return [
        Held(play.callid, datetime.fromtimestamp(play.call.started_at, UTC), play.scenario)
        for play in pbx.playbill.finished
        if play.call.direction is not Direction.INTERNAL
    ]


def _told(receiver: WebhookReceiver) -> list[Told]:
    return [told(one.id, one.body, orjson.loads(one.body)) for one in receiver.webhooks]


async def _settled(receiver: WebhookReceiver, calls: list[Held]) -> None:
    """Until every call was told as a whole and nothing comes any more; or for too long, and the verdict tells why."""
    deadline, numbers, ended = time.monotonic() + _SETTLED_WITHIN, {one.number for one in calls}, set[int]()
    seen, quiet_since = 0, time.monotonic()
    while time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        fresh, seen = receiver.webhooks[seen:], len(receiver.webhooks)
        ones = [told(one.id, one.body, orjson.loads(one.body)) for one in fresh]
        ended |= {one.number for one in ones if one.is_completed}
        if fresh:
            quiet_since = time.monotonic()
        if numbers <= ended and time.monotonic() - quiet_since > _QUIET:
            return
