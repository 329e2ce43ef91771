"""The simulated PBX: puts the parts together, serves them, and carries out what concerns the whole.

Everything runs in one task group of one task, which `async with` starts and stops.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from simulator.actions import Actions
from simulator.call_log import CallLog
from simulator.callcontrol import CallControl
from simulator.certificates import CertificateFiles, make_certificate
from simulator.clock import Clock, epoch_now
from simulator.control import Control
from simulator.exchange import Exchange
from simulator.faults import ONE_SHOT, Fault, Faults, parse
from simulator.feed import FrameFeed
from simulator.front import Front
from simulator.listings import Listings
from simulator.numbering import Directory, DnKind
from simulator.options import SimulatorOptions
from simulator.play import Play, Playbill
from simulator.recordings import Recordings
from simulator.reports import Reports
from simulator.sockets import Sockets
from simulator.stage import CastChanges, Equipment
from simulator.streams import Streams
from simulator.system import system_status
from simulator.tokens import TokenOffice
from simulator.traffic import Traffic
from simulator.xapi import Xapi

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from simulator.model import Conversation
    from simulator.wire import Row

log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 1.0


class Simulator:
    """One PBX. `async with Simulator(options) as pbx:` serves at `pbx.url` until the block ends."""

    def __init__(self, options: SimulatorOptions | None = None) -> None:
        self.options = options = options or SimulatorOptions()
        self.url = ""
        self.control_url = ""
        self.certificate: Path | None = None
        """With TLS: what a client must trust."""
        self._ahead = options.clock_ahead.total_seconds()
        self.faults = Faults(options.faults, seed=options.seed)
        self.clock = Clock()
        directory = Directory(extensions=options.extensions, client_id=options.client_id)
        self.feed = FrameFeed(directory, self.faults, now=self._now)
        if options.monitored is not None:
            self.feed.monitored = set(options.monitored)
        self.exchange = Exchange(directory, self.feed, now=self._now, first_call_number=options.first_call_number)
        self.call_log = CallLog()
        self.exchange.on_segment_end.append(self.call_log.append)
        self.exchange.on_conversation_end.append(self._record)
        self.recordings = Recordings(
            self.faults,
            timezone=options.timezone,
            directory=options.recordings_dir,
            codec=options.codec,
            seed=options.seed,
            later=self._later,
        )
        self.playbill = Playbill(
            Equipment(self.exchange, self.faults, self.clock),
            spawn=self._spawn,
            speed=options.speed,
            variants=options.variants,
        )
        self.tokens = TokenOffice(
            client_id=options.client_id, client_secret=options.client_secret, fqdn=options.fqdn, now=self._now
        )
        self.sockets, self._front = self._interfaces()
        extensions = [dn.number for dn in directory.of_kind(DnKind.EXTENSION) if dn.number in self.feed.monitored]
        self.traffic = Traffic(self.playbill, extensions=extensions, seed=options.seed)
        self._group: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aenter__(self) -> Self:
        ready = asyncio.Event()
        # One task owns the group: a fixture may enter and leave in different tasks.
        self._main = asyncio.create_task(self._run(ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._main, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._main.done():
            self._main.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._main is not None:
            await self._main

    def play(
        self, name: str, *, speed: float | None = None, variant: str | Sequence[str] = (), **changes: object
    ) -> Play:
        """Start a call. `changes` are fields of simulator.stage.Cast; awaiting the Play waits for the call's end."""
        variants = (variant,) if isinstance(variant, str) else tuple(variant)
        chosen = CastChanges(**changes)  # type: ignore[typeddict-item] # a wrong name is a TypeError in Cast
        return self.playbill.start(name, speed=speed, variants=variants, changes=chosen)

    def fault(
        self, name: str, *, on: bool = True, seconds: float | None = None, fraction: float | None = None
    ) -> Fault:
        """Switch a fault, or carry a one-shot one out. ValueError for an unknown name."""
        fault = parse(name)
        if fault in ONE_SHOT:
            if on:
                self._carry_out(fault, seconds or 0.0)
        elif on:
            self.faults.switch_on(fault, seconds=seconds, fraction=fraction)
        else:
            self.faults.switch_off(fault)
        return fault

    def state(self) -> Row:
        return {
            "url": self.url,
            "paused": self.clock.paused,
            "faults": self.faults.names(),
            "live": len(self.playbill.live),
            "played": self.playbill.played,
            "active_calls": len(self.exchange.calls),
            "skipped": self.traffic.skipped,
            "sockets": len(self.sockets.sessions),
            "frames": self.feed.sent,
            "socket_requests": self.sockets.requests,
            "http_requests": self._front.asked.total(),
            "call_log_requests": self.call_log.asked,
            "asked": dict(self._front.asked),
            "tokens_issued": self.tokens.issued,
            "recordings": len(self.recordings.by_id),
            "recordings_due": len(self._timers),
        }

    def _now(self) -> float:
        return round(epoch_now() + self._ahead, 6)

    async def _date(self, _: web.Request, response: web.StreamResponse) -> None:
        """The PBX's own clock in the header that tells it."""
        response.headers["Date"] = formatdate(self._now(), usegmt=True)

    def _interfaces(self) -> tuple[Sockets, Front]:
        actions = Actions(self.exchange, self.playbill, self.options)
        control = CallControl(self.exchange, self.feed, self.faults, actions)
        sockets = Sockets(control, self.feed, self.faults, message_limit=self.options.socket_message_limit)
        reports = Reports(
            self.exchange, self.call_log, self.recordings, actions=actions, faults=self.faults, now=self._now
        )
        listings = Listings(self.exchange.directory, self.feed)
        xapi = Xapi(listings, reports, self.faults, status=self._system_status)
        streams = Streams(self.exchange)
        front = Front(
            self.tokens, self.faults, self.options, control=control, sockets=sockets, xapi=xapi, streams=streams
        )
        return sockets, front

    def _system_status(self) -> Row:
        is_full = self.faults.on(Fault.QUOTA_REACHED)
        return system_status(self.exchange, self.recordings, self.options, is_full=is_full)

    async def _run(self, ready: asyncio.Event) -> None:
        files = self._certificate()
        self.certificate = files.certificate if files is not None else None
        control = Control(self.playbill, self.clock, self.feed, pbx=self, state=self.state)
        application = self._front.application()
        if self._ahead:
            application.on_response_prepare.append(self._date)
        front = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        back = web.AppRunner(control.application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        try:
            await self._listen(front, back, files)
            async with asyncio.TaskGroup() as self._group:
                traffic = self._group.create_task(self._traffic())
                ready.set()
                await self._stop.wait()  # until the block ends
                traffic.cancel()
                self.playbill.kill(self._now())
        finally:
            for timer in self._timers:
                timer.cancel()
            self.sockets.close_all()
            await front.cleanup()
            await back.cleanup()

    async def _listen(self, front: web.AppRunner, back: web.AppRunner, files: CertificateFiles | None) -> None:
        options = self.options
        await front.setup()
        context = files.context() if files is not None else None
        await web.TCPSite(front, options.host, options.port, ssl_context=context).start()
        await back.setup()
        await web.TCPSite(back, "127.0.0.1", options.control_port).start()
        scheme = "https" if files is not None else "http"
        self.url = f"{scheme}://{options.host}:{front.addresses[0][1]}"
        self.control_url = f"http://127.0.0.1:{back.addresses[0][1]}"

    async def _traffic(self) -> None:
        options = self.options
        if options.calls_per_second > 0:
            await self.traffic.run(self.clock, rate=options.calls_per_second, concurrent=options.concurrent)

    def _spawn(self, coroutine: Coroutine[object, object, None], /) -> asyncio.Task[None]:
        if self._group is None:
            coroutine.close()
            raise RuntimeError("the simulator does not run")
        return self._group.create_task(coroutine)

    def _record(self, conversation: Conversation) -> None:
        """List the recordings of a conversation that is over, a moment later."""
        delay = self.options.recording_delay.total_seconds() / conversation.calls[0].speed

        self._later(delay, lambda: self.recordings.publish(conversation, did=self._did, now=self._now()))

    def _later(self, delay: float, act: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(delay, due)
        self._timers.add(timer)

    def _did(self, trunk: str) -> str:
        """The number that was called, where the PBX can know it: a trunk with a single one."""
        dids = [did.number for known in self.exchange.directory.trunks if known.number == trunk for did in known.dids]
        return dids[0] if len(dids) == 1 else ""

    def _carry_out(self, fault: Fault, seconds: float) -> None:
        if fault is Fault.EXPIRE_TOKEN:
            self.tokens.expire()
        if fault is Fault.RESTART:
            self.feed.muted = True
            self.playbill.kill(self._now())
            self.exchange.restart()
            self.feed.muted = False
        self._front.refuse_sockets(seconds)
        self.sockets.close_all()

    def _certificate(self) -> CertificateFiles | None:
        options = self.options
        if options.certificate is not None and options.private_key is not None:
            return CertificateFiles(options.certificate, options.private_key)
        if not options.tls:
            return None
        directory = options.certificate_dir or Path(tempfile.mkdtemp(prefix="simulated-pbx-"))
        return make_certificate(directory, host=options.host, now=self._now())
