"""Plays many scenarios at once, each on a PBX of its own with endpoints of its own, and collects what was received.

At the speed of real life, so that durations are the documented ones. Beside the endpoint in the act's format another
one, in the format `standard`, gets the completed calls.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator import Simulator, SimulatorOptions
from simulator.numbering import DnKind
from tests.acceptance.contract import Expected, call_of, matches, received, scenarios
from tests.acceptance.figures import figure_differences, figures_of
from tests.acceptance.product import Product
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from simulator import Play
    from simulator.model import Segment
    from tests.receiver import Webhook

_LONGEST = 60.0  # seconds from the end of the calls to the last webhook
_COMPLETED = "/completed/"


@dataclass(frozen=True, slots=True)
class Act:
    """One scenario of the contract in one order of frames, with the faults of its PBX."""

    family: str
    scenario: str
    variant: str = ""
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A name for its PBX and its endpoint."""
        words = (self.family, self.scenario, *filter(None, (self.variant.replace(":", "-"),)), *self.faults)
        return "_".join(words).replace("incoming", "in")


@dataclass(slots=True)
class Performance:
    """What came of an act: webhooks in order of arrival, and the talks (seconds) that the PBX really held.

    `completed` are the webhooks that told that the call is completed.
    """

    act: Act
    base: str = ""
    play: Play | None = None
    webhooks: list[Webhook] = field(default_factory=list)
    completed: list[Webhook] = field(default_factory=list)
    talks: list[float] = field(default_factory=list)

    def firsts(self) -> list[Webhook]:
        """The webhooks without their repeats."""
        return list({webhook.id: webhook for webhook in reversed(self.webhooks)}.values())[::-1]

    def wanted(self) -> list[Expected]:
        """The documented webhooks, and the recording of every answered GET call, also where none is printed."""
        documented = scenarios(self.act.family)[self.act.scenario]
        if self.act.family == "get" and self.talks and documented[-1].method == "GET":
            address = "{base}/webapi/recording/{call}-1-1.mp3"
            documented.append(Expected("POST", (("id", "{call}-1"), ("FILES", [address]))))
        return documented

    def is_complete(self) -> bool:
        """True when as many different webhooks have come as are documented, and the call is completed."""
        return len(self.firsts()) >= len(self.wanted()) and bool(self.completed)

    def differences(self, *, has_gaps: bool = False) -> list[str]:
        """Where what came is not what is documented.

        After a gap phones that rang at once may be told in any order: the call log has those that stopped, and only
        the list of calls the one that has answered.
        """
        got, wanted = [received(webhook) for webhook in self.firsts()], self.wanted()
        if has_gaps and "ring-all" in self.act.scenario:
            got, wanted = _rings_sorted(got), _rings_sorted(wanted)
        if not got:
            return ["nothing came"]
        call = call_of(self.webhooks[0])
        found = [f"{len(got)} webhooks instead of {len(wanted)}"] if len(got) != len(wanted) else []
        for one, other in zip(got, wanted, strict=False):
            if not matches(one, other, call=call, base=self.base, talks=self.talks):
                found.append(f"got    {one}\n      wanted {other}")
        return found + self._completed_differences()

    def _completed_differences(self) -> list[str]:
        """Where the one completed call is not as the PBX had it; of a repeat the first counts."""
        if self.play is None or len({webhook.id for webhook in self.completed}) != 1:
            return [f"{len(self.completed)} completed calls: {[webhook.id for webhook in self.completed]}"]
        has_log = "no-call-log" not in self.act.faults
        return figure_differences(self.completed[0], figures_of(self.play, has_log=has_log))

    def links(self) -> list[str]:
        """The announced addresses, signatures and all."""
        bodies = [webhook.json for webhook in self.firsts() if webhook.method == "POST"]
        found = [body.get("FileUrls") or body.get("FILES") or [] for body in bodies]
        return [str(address) for addresses in found if isinstance(addresses, list) for address in addresses]


def _rings_sorted(told: Sequence[Expected]) -> list[Expected]:
    """The same with the users of rings that follow each other in order."""
    ordered: list[Expected] = []
    for is_ring, group in itertools.groupby(told, lambda one: ("Event", "ringing") in one.pairs):
        ones = list(group)
        ordered += sorted(ones, key=lambda one: str(dict(one.pairs).get("User"))) if is_ring else ones
    return ordered


async def rehearse(
    acts: Sequence[Act],
    folder: Path,
    *,
    split: bool,
    database: str = "sqlite:",
    disturb: Callable[[Product, Sequence[Simulator]], Coroutine[None, None, None]] | None = None,
    inspect: Callable[[Performance], Coroutine[None, None, None]] | None = None,
) -> dict[str, Performance]:
    """Plays all acts at the same time; `disturb` runs beside them, `inspect` looks at each while the product runs."""
    performances = {act.name: Performance(act) for act in acts}
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        pbxs = [await stack.enter_async_context(_simulator(act)) for act in acts]
        tables = "".join(_tables(act, pbx, receiver) for act, pbx in zip(acts, pbxs, strict=True))
        product = await stack.enter_async_context(Product(folder, tables, split=split, database=database))
        await _all_followed(product, acts)
        plays = [pbx.play(_played(act)) for act, pbx in zip(acts, pbxs, strict=True)]
        disturbance = asyncio.create_task(disturb(product, pbxs)) if disturb else None
        for act, play in zip(acts, plays, strict=True):
            performances[act.name].play = await play
            performances[act.name].talks += talks_of(play)
        if disturbance is not None:
            await disturbance
        await _collect(performances, receiver)
        for performance in performances.values():
            performance.base = product.base
            if inspect is not None:
                await inspect(performance)
    return performances


def _simulator(act: Act) -> Simulator:
    variants = (act.variant,) if act.variant else ()
    return Simulator(
        SimulatorOptions(faults=act.faults, variants=variants, timezone="Europe/Prague", seed=len(act.name))
    )


def _played(act: Act) -> str:
    return act.scenario if act.family == "post" else f"get-{act.scenario}"


def _tables(act: Act, pbx: Simulator, receiver: WebhookReceiver) -> str:
    return f"""
[[pbx]]
name = "{act.name}"
url = "{pbx.url}"
client_id = "switchhook"
client_secret = "secret"
timezone = "Europe/Prague"
[[endpoint]]
name = "{act.name}"
url = "{receiver.url}/{act.name}"
format = "{act.family}"
pbx = ["{act.name}"]
allow_private = ["127.0.0.0/8"]
[[endpoint]]
name = "{act.name}_c"
url = "{receiver.url}{_COMPLETED}{act.name}"
format = "standard"
events = ["completed"]
pbx = ["{act.name}"]
allow_private = ["127.0.0.0/8"]
"""


def talks_of(play: Play) -> list[float]:
    """How long (seconds) extensions talked with the outside party, one after the other, once the call is over."""
    talks = [
        (one.answered_at, one.ended_at)
        for one in play.call.conversation.segments
        if one.answered_at is not None and one.ended_at is not None and _is_link(one)
    ]
    return [ended_at - answered_at for answered_at, ended_at in sorted(talks)]


def _is_link(segment: Segment) -> bool:
    """An extension talked with the outside party."""
    kinds = {segment.source.kind, segment.destination.kind}
    return kinds == {DnKind.EXTENSION, DnKind.TRUNK}


async def _all_followed(product: Product, acts: Sequence[Act]) -> None:
    checks = {f"pbx {act.name}" for act in acts}
    async with asyncio.timeout(30):
        while checks & set(await product.problems("monitor")):  # noqa: ASYNC110 - another process tells, when asked
            await asyncio.sleep(0.05)


async def _collect(performances: dict[str, Performance], receiver: WebhookReceiver) -> None:
    """Hands the webhooks to their acts until all are complete, or nothing more is to be hoped for."""
    taken = 0
    try:
        async with asyncio.timeout(_LONGEST):
            while True:
                for webhook in receiver.webhooks[taken:]:
                    performance = performances[webhook.path.rsplit("/", 1)[1]]
                    is_completed = _COMPLETED in webhook.path
                    (performance.completed if is_completed else performance.webhooks).append(webhook)
                taken = len(receiver.webhooks)
                if all(one.is_complete() for one in performances.values()):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        return
