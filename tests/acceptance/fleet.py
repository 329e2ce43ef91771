"""Several monitors as processes that share PBXs, one dispatcher, and calls without end until told to stop."""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator import Simulator, SimulatorOptions
from tests.acceptance.product import Product
from tests.acceptance.realities import ANSWERED, BLIND, MISSED, OUTGOING, direct
from tests.acceptance.scene import Reality, Scene
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

_OWNED = re.compile(r'^switchhook_pbx_owned\{pbx="(\w+)"\} 1\.0$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A call that is repeated on every PBX, with extensions and a caller of its own, and what must come of it."""

    scenario: str
    wanted: Sequence[str]
    cast: dict[str, Any] = field(default_factory=dict)


def _renamed(lines: Sequence[str], **extensions: str) -> Sequence[str]:
    """The lines for other extensions than the usual ones; nobody records."""
    table = {name.removeprefix("e"): other for name, other in extensions.items()}
    return [
        " ".join(table.get(word, word) for word in line.split()) for line in lines if not line.startswith("recording")
    ]


REPERTOIRE = (
    Part("incoming-direct", _renamed(direct("117")), {"extension": "117", "number": "0603111222", "talk": 1.5}),
    Part("incoming-missed", _renamed(MISSED, e202="118"), {"extension": "118", "number": "0777333444"}),
    Part("outgoing-answered", _renamed(OUTGOING), {"extension": "119", "number": "0777555666", "talk": 1.0}),
    Part("incoming-answered", _renamed(ANSWERED, e202="101"), {"extension": "101", "number": "0608000111", "talk": 4}),
    Part(
        "incoming-blind-transfer",
        _renamed(BLIND, e117="102", e204="103"),
        {"extension": "102", "colleague": "103", "number": "0602999888", "talk": 2.0, "transferred_talk": 1.5},
    ),
)


class Fleet:
    """Made by `fleet`."""

    def __init__(self, product: Product, scenes: Sequence[Scene], monitors: Sequence[str]) -> None:
        self.product = product
        self.scenes = scenes
        self.monitors = monitors
        self._calling = asyncio.Event()
        self._calling.set()

    async def owned(self, *monitors: str) -> dict[str, list[str]]:
        """The PBXs that each of the monitors says it watches."""
        return {name: _OWNED.findall(await self.product.metrics(name)) for name in monitors or self.monitors}

    async def is_shared_by(self, *monitors: str) -> bool:
        """True when these watch all PBXs, none twice, each at least its fair part."""
        counts = {name: len(pbxs) for name, pbxs in (await self.owned(*monitors)).items()}
        return sum(counts.values()) == len(self.scenes) and min(counts.values()) >= len(self.scenes) // len(monitors)

    @property
    def sockets(self) -> list[int]:
        """How many websockets each PBX has."""
        return [len(scene.pbx.sockets.sessions) for scene in self.scenes]

    async def followed_within(self, seconds: float, *, sockets: Sequence[int] = (1, 1, 1, 1)) -> float:
        """Waits until every PBX has at least so many websockets; gives the seconds that it took."""
        began_at = time.monotonic()
        await eventually(
            lambda: all(there >= wanted for there, wanted in zip(self.sockets, sockets, strict=True)),
            seconds,
            f"a PBX has fewer websockets than {sockets}",
        )
        return time.monotonic() - began_at

    def signal(self, monitor: str, number: signal.Signals) -> None:
        """What the system does to a process."""
        os.kill(self.product.pids[monitor], number)

    async def call(self) -> None:
        """Repeats all parts on all PBXs until `hang_up`."""
        async with asyncio.TaskGroup() as group:
            for scene in self.scenes:
                for part in REPERTOIRE:
                    group.create_task(self._repeat(scene, part))

    def hang_up(self) -> None:
        """No new calls."""
        self._calling.clear()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event, of all monitors."""
        return [line for name in self.monitors for line in self.product.logged(name) if line["event"] == event]

    async def _repeat(self, scene: Scene, part: Part) -> None:
        while self._calling.is_set():
            scene.reality.wanted.append(part.wanted)  # type: ignore[attr-defined] # a list, here
            await scene.play(part.scenario, **part.cast)
            await asyncio.sleep(0.3)


@asynccontextmanager
async def fleet(folder: Path, *, pbxs: int, monitors: Sequence[str], database: str) -> AsyncIterator[Fleet]:
    """The PBXs, the dispatcher and the monitors, of which the first two are started."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        scenes = []
        for number in range(pbxs):
            options = SimulatorOptions(timezone="Europe/Prague", seed=number)
            pbx = await stack.enter_async_context(Simulator(options))
            # What began while nobody watched is timed by the PBX's list of calls, to a second or two.
            reality = Reality(name=f"pbx{number}", script=_nothing, wanted=[], slack=2.0)
            scenes.append(Scene(reality, pbx, receiver))
        product = Product(
            folder,
            "".join(scene.tables for scene in scenes),
            split=True,
            names=("dispatcher", *monitors[:2]),
            database=database,
            environs={"dispatcher": {"SWITCHHOOK_DATABASE__URL": "sqlite:"}},
        )
        await stack.enter_async_context(product)
        yield Fleet(product, scenes, monitors)


async def _nothing(_: Scene) -> None:
    return
