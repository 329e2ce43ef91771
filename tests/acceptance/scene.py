"""Small pieces of real life, each on a PBX of its own: what happens there, and the webhooks that must come of it.

A webhook is compared as one line: `ringing 820 queue 0`, `started 202 NotDef 1`, `ended 202 Ok 1`, `recording 202 1`.
The last number is the link.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator import Simulator, SimulatorOptions
from tests.acceptance.contract import call_of
from tests.acceptance.product import EMBEDDED, Product
from tests.acceptance.rehearsal import talks_of
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from simulator import Play
    from tests.receiver import Webhook

_PATIENCE = 45.0  # seconds until a fact must be there
_APART = 0.15  # seconds between the beginnings of two scenes: a hundred calls at once would be a burst
_TOLD = 60.0  # seconds from the end of all calls to the last webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Reality:
    """What happens on a PBX (`script`), with which faults, and the lines that must come of each call of the script.

    `slack`: seconds by which a duration may differ from the talk that the PBX held; `speed` that of its calls.
    """

    name: str
    script: Callable[[Scene], Awaitable[None]]
    wanted: Sequence[Sequence[str]]
    faults: tuple[str, ...] = ()
    slack: float = 1.0
    speed: float = 1.0
    clock_ahead: timedelta = timedelta()


@dataclass(slots=True)
class Scene:
    """A reality as it is played: its PBX, its calls in their order, and what was received of it."""

    reality: Reality
    pbx: Simulator
    receiver: WebhookReceiver
    product: Product | None = None
    plays: list[Play] = field(default_factory=list)
    stopped: str = ""  # why the script did not get to its end

    @property
    def webhooks(self) -> list[Webhook]:
        """What was received, in the order of arrival."""
        return [one for one in self.receiver.webhooks if one.path.endswith(f"/{self.reality.name}")]

    @property
    def tables(self) -> str:
        """The tables of the product's configuration."""
        return pbx_and_endpoint(self.reality.name, pbx=self.pbx.url, endpoint=self.receiver.url)

    def play(self, scenario: str, *, variant: str = "", **cast: Any) -> Play:
        """A call begins."""
        play = self.pbx.play(scenario, variant=variant or (), **cast)
        self.plays.append(play)
        return play

    def hang_up(self, play: Play) -> None:
        """The outside party ends the call."""
        stage = self.pbx.playbill.take_over(play.call, play.cast)
        stage.end(stage.ended_by_outside())

    async def told(self, wanted: str) -> None:
        """Waits for a webhook."""
        await eventually(
            lambda: wanted in map(line, self.webhooks), _PATIENCE, f"{self.reality.name}: {wanted} did not come"
        )

    async def told_all(self, count: int) -> None:
        """Waits for so many webhooks."""
        await eventually(
            lambda: len(self.webhooks) >= count, _PATIENCE, f"{self.reality.name}: {count} webhooks did not come"
        )

    async def problems(self, service: str) -> dict[str, str]:
        """What a service complains of that concerns this PBX."""
        assert self.product is not None
        problems = await self.product.problems(service)
        return {check: sentence for check, sentence in problems.items() if self.reality.name in check}

    async def followed(self) -> None:
        """Waits until the product has a websocket to the PBX, and has taken its snapshot."""
        await eventually(self.is_followed, _PATIENCE, f"{self.reality.name}: nobody follows the PBX")
        await until(self._is_in_step)

    async def _is_in_step(self) -> bool:
        return f"pbx {self.reality.name}" not in await self.problems("monitor")

    def is_followed(self) -> bool:
        """True while the product has a websocket to the PBX."""
        return bool(self.pbx.state()["sockets"])

    def is_complete(self) -> bool:
        """True when as many webhooks have come as are wanted."""
        return len(self.webhooks) >= sum(len(lines) for lines in self.reality.wanted)

    def differences(self) -> list[str]:
        """Where what came is not what was wanted."""
        found = [self.stopped] if self.stopped else []
        found += [f"repeated: {one}" for one, times in Counter(one.id for one in self.webhooks).items() if times > 1]
        calls: dict[str, list[Webhook]] = {}
        for webhook in self.webhooks:
            calls.setdefault(call_of(webhook), []).append(webhook)
        for play, wanted in zip(self.plays, self.reality.wanted, strict=not self.stopped):
            own = next((call for call in calls if int(call.rpartition("_")[2]) == play.callid), None)
            webhooks = [] if own is None or not wanted else calls.pop(own)
            got = [line(webhook) for webhook in webhooks]
            if got != list(wanted):
                found.append(f"{play.scenario} {own}\n  got    {got}\n  wanted {list(wanted)}")
            found += _wrong_values(webhooks, play, slack=self.reality.slack)
        return found + [f"a call that was none: {call} {[line(one) for one in ones]}" for call, ones in calls.items()]


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Waits for a fact that must be asked for."""
    deadline = time.monotonic() + _PATIENCE
    while not await is_so():
        assert time.monotonic() < deadline, "what was waited for did not come"
        await asyncio.sleep(0.05)


def requests(pbx: Simulator) -> int:
    """How many HTTP requests a PBX has had."""
    count = pbx.state()["http_requests"]
    assert isinstance(count, int)
    return count


def line(webhook: Webhook) -> str:
    """A webhook of the format `post` in a few words."""
    body = {key: str(value) for key, value in webhook.json.items()}
    user, link = body["User"], body["Id"].rpartition("-")[2]
    match body["Event"]:
        case "ringing":
            return f"ringing {user} {body['Usertype']} {link}"
        case "incomingcall_started" | "outgoingcall_started":
            return f"started {user} {body['Trtype']} {link}"
        case "incoming" | "outgoing":
            return f"ended {user} {body['Finishtype']} {link}" + " transferred" * (body["Transfer"] == "True")
        case event:
            return f"{event} {user} {link}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """All scenes by name, and what the product wrote and counted."""

    scenes: Mapping[str, Scene]
    log: list[dict[str, Any]]
    metrics: str

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event."""
        return [one for one in self.log if one["event"] == event]

    def counted(self, sample: str) -> float:
        """The value of a sample, written as Prometheus writes it."""
        (value,) = (one.rpartition(" ")[2] for one in self.metrics.splitlines() if one.startswith(f"{sample} "))
        return float(value)


def pbx_and_endpoint(name: str, *, pbx: str, endpoint: str) -> str:
    """A PBX and the endpoint that hears of its calls, both of that name."""
    return f"""
[[pbx]]
name = "{name}"
url = "{pbx}"
client_id = "switchhook"
client_secret = "secret"
timezone = "Europe/Prague"
[[endpoint]]
name = "{name}"
url = "{endpoint}/{name}"
format = "post"
pbx = ["{name}"]
allow_private = ["127.0.0.0/8"]
"""


async def perform(
    realities: Sequence[Reality], folder: Path, *, quiet: float, environ: Mapping[str, str], database: str = "sqlite:"
) -> Performed:
    """Plays all at the same time under one product; `quiet` seconds after the last webhook nothing more may come.

    `environ` configures the product further.
    """
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        scenes = [Scene(one, await stack.enter_async_context(_simulator(one)), receiver) for one in realities]
        tables = "".join(scene.tables for scene in scenes)
        product = await stack.enter_async_context(
            Product(folder, tables, split=False, database=database, environ=environ)
        )
        async with asyncio.TaskGroup() as group:
            for place, scene in enumerate(scenes):
                scene.product = product
                group.create_task(_act(scene, after=place * _APART))
        with suppress(AssertionError):  # each scene tells what it lacks
            await eventually(lambda: all(scene.is_complete() for scene in scenes), _TOLD)
        await asyncio.sleep(quiet)
        log, metrics = product.logged(EMBEDDED), await product.metrics(EMBEDDED)
    return Performed(scenes={scene.reality.name: scene for scene in scenes}, log=log, metrics=metrics)


async def _act(scene: Scene, *, after: float) -> None:
    """Plays it to its end; what goes wrong is kept, so that the others are played too."""
    try:
        await scene.followed()
        await asyncio.sleep(after)
        await scene.reality.script(scene)
    except AssertionError as error:
        scene.stopped = str(error)
        for play in tuple(scene.pbx.playbill.live):
            scene.hang_up(play)
    for play in scene.plays:
        await play


def _simulator(reality: Reality) -> Simulator:
    options = SimulatorOptions(
        faults=reality.faults, speed=reality.speed, clock_ahead=reality.clock_ahead, timezone="Europe/Prague"
    )
    return Simulator(options)


def _wrong_values(webhooks: Sequence[Webhook], play: Play, *, slack: float) -> list[str]:
    """Outside numbers and durations that are not those of the call."""
    found: list[str] = []
    talks = talks_of(play)
    for body in (webhook.json for webhook in webhooks):
        if body["Callerid"] != play.cast.number:
            found.append(f"another caller: {body}")
        if body.get("Finishtype") != "Ok":
            continue
        minutes, seconds = str(body["Duration"]).split(":")
        link = int(str(body["Id"]).rpartition("-")[2])
        if link > len(talks):
            found.append(f"a talk that was none: {body}")
            continue
        talk = talks[link - 1]
        if abs(int(minutes) * 60 + int(seconds) - talk) > slack:
            found.append(f"a talk of {talk:.1f} s: {body}")
    return found
