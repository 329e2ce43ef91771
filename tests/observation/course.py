"""A demonstration with faults, and a Prometheus that looks on: calm, trouble of every kind, mended.

Two PBXs have traffic, a third one has the single call that nobody is shown. Three endpoints: `crm` works and now and
then refuses, `desk` goes down for a while, `partner` wants nothing any more. The file server is killed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

from simulator import Simulator, SimulatorOptions
from tests.acceptance.product import SERVICES, Product
from tests.collector import Collector, collecting
from tests.deadline import eventually
from tests.observation.prometheus import Prometheus, Span
from tests.receiver import Answer, WebhookReceiver
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
    from pathlib import Path

    from tests.receiver import Webhook

RULES = ROOT / "charts" / "switchhook" / "rules" / "switchhook.yml"
PBXS = {"main": SimulatorOptions(seed=1, speed=2, calls_per_second=0.9, concurrent=12)}
PBXS["branch"] = SimulatorOptions(seed=2, speed=2, calls_per_second=0.4, concurrent=6)
PBXS["lab"] = SimulatorOptions(seed=3, speed=20)
ENDPOINTS = ("crm", "desk", "partner")
ONE_IN = 5  # of the webhooks to crm is refused while there is trouble
ABORT = {"webhook-delivery": "abort-message"}
READ_EVERY = 1.0  # seconds
PATIENCE = 60.0  # seconds, on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many seconds each part takes."""

    calm: float
    trouble: float
    mended: float


async def _nobody_looks() -> None:
    return


@dataclass(slots=True)
class Course:
    """What runs, and what was seen of it so far: the alerts that fired in the calm, and those since."""

    product: Product
    prometheus: Prometheus
    collector: Collector
    pbxs: Mapping[str, Simulator]
    receivers: Mapping[str, WebhookReceiver]
    began_at: float
    in_calm: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    in_trouble: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def span(self, *, points: int = 120) -> Span:
        """From the beginning until now."""
        now = time.time()
        return Span(start=self.began_at, end=now, step=max((now - self.began_at) / points, 1.0))

    async def run(
        self,
        pace: Pace,
        *,
        wanted: Collection[str] = (),
        at_worst: Callable[[], Awaitable[None]] = _nobody_looks,
    ) -> None:
        """All three parts, from when every process was read.

        The trouble lasts until all `wanted` alerts have fired, or for `PATIENCE`; at its end `at_worst` is called.
        """
        await self._is_read()
        await self._watch(pace.calm, self.in_calm)
        await self._break(pace.trouble)
        await self._watch(pace.trouble, self.in_trouble)
        patient_until = time.monotonic() + PATIENCE
        while not set(wanted) <= set(self.in_trouble) and time.monotonic() < patient_until:
            await self._watch(READ_EVERY, self.in_trouble)
        await at_worst()
        await self._mend()
        await self._watch(pace.mended, self.in_trouble)

    async def _is_read(self) -> None:
        deadline = time.monotonic() + 30
        while len(await self.prometheus.now("switchhook_build_info")) < len(SERVICES) or await self.prometheus.firing():
            assert time.monotonic() < deadline, self.prometheus.log
            await asyncio.sleep(0.2)

    async def _watch(self, seconds: float, seen: dict[str, list[dict[str, str]]]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(READ_EVERY)
            for name, labels in (await self.prometheus.firing()).items():
                known = seen.setdefault(name, [])
                known.extend(one for one in labels if one not in known)

    async def _break(self, seconds: float) -> None:
        self.pbxs["branch"].fault("drop-socket", seconds=seconds + PATIENCE)
        self.pbxs["main"].fault("truncated-recording", fraction=0.5)
        self.pbxs["lab"].fault("hidden-calls")
        self.receivers["crm"].rule = _refusing
        self.receivers["partner"].default = Answer(status=410)
        await self.receivers["desk"].stop()
        await self.pbxs["lab"].play("incoming-direct", talk=1.0)
        self.pbxs["lab"].fault("hidden-calls", on=False)
        await self.product.kill("fileserver")

    async def _mend(self) -> None:
        self.pbxs["branch"].fault("drop-socket", seconds=0.0)
        self.pbxs["main"].fault("truncated-recording", on=False)
        self.receivers["crm"].rule = None
        await self.receivers["desk"].start()
        await self.product.start("fileserver")

    async def listen(self) -> None:
        """Somebody opens every link that crm is told, and one that nobody signed."""
        opened = 0
        async with aiohttp.ClientSession() as http:
            while True:
                webhooks = self.receivers["crm"].webhooks
                for webhook in webhooks[opened:]:
                    for link in _links(webhook):
                        await _opened(http, link)
                        await _opened(http, link.partition("?")[0])
                opened = len(webhooks)
                await asyncio.sleep(0.2)


@asynccontextmanager
async def course(folder: Path) -> AsyncIterator[Course]:
    """Everything is up and followed."""
    async with AsyncExitStack() as stack:
        collector = stack.enter_context(collecting())
        pbxs = {name: await stack.enter_async_context(Simulator(options)) for name, options in PBXS.items()}
        receivers = {name: await stack.enter_async_context(WebhookReceiver()) for name in ENDPOINTS}
        product = Product(
            folder,
            _tables(pbxs, receivers),
            split=True,
            environ={"SWITCHHOOK_TELEMETRY__OTLP_ENDPOINT": collector.endpoint},
            unreported=None,
        )
        await stack.enter_async_context(product)
        await eventually(lambda: all(pbx.state()["sockets"] for pbx in pbxs.values()), 45)
        ports = {name: product.admin_ports[name] for name in SERVICES}
        prometheus = Prometheus(folder / "prometheus", ports, rules=hastened(), interval=f"{READ_EVERY:.0f}s")
        await stack.enter_async_context(prometheus)
        running = Course(product, prometheus, collector, pbxs, receivers, began_at=time.time())
        listening = asyncio.create_task(running.listen())
        try:
            yield running
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


def hastened() -> dict[str, Any]:
    """The rules as they are, but that three seconds are enough: one late answer on a busy machine is none."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group["rules"] = [rule | {"for": "3s"} if "alert" in rule else rule for rule in group["rules"]]
    return rules


# So often that a breaker opens within seconds, and so long that nothing is given up.
_RETRIES = f"retry_schedule = {['500ms', '1s'] + ['2s'] * 120}"


def _tables(pbxs: Mapping[str, Simulator], receivers: Mapping[str, WebhookReceiver]) -> str:
    return "".join(
        f'[[pbx]]\nname = "{name}"\nurl = "{pbx.url}"\nclient_id = "switchhook"\nclient_secret = "secret"\n'
        for name, pbx in pbxs.items()
    ) + "".join(
        f'[[endpoint]]\nname = "{name}"\nurl = "{receiver.url}"\nformat = "standard"\n{_RETRIES}\n'
        'allow_private = ["127.0.0.0/8"]\n'
        for name, receiver in receivers.items()
    )


def _refusing(webhook: Webhook) -> Answer | None:
    return Answer(status=400, headers=ABORT) if sum(webhook.id.encode()) % ONE_IN == 0 else None


def _links(webhook: Webhook) -> list[str]:
    match webhook.json:
        case {"data": {"recording": {"files": [*files]}}}:
            return [str(one["url"]) for one in files]
    return []


async def _opened(http: aiohttp.ClientSession, link: str) -> None:
    try:
        async with http.get(link) as response:
            await response.read()
    except aiohttp.ClientError:
        return  # the file server was killed
