"""Wires the recorder: intake → finder → claims → conversion → settlement → outbox → dispatcher, a term at a time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import TYPE_CHECKING, NoReturn

from services.recorder.api import RecorderApi
from services.recorder.catalog import Catalog
from services.recorder.intake import Intake
from services.recorder.link_check import LinkCheck
from services.recorder.metrics import RecorderMetrics
from services.recorder.openapi import DESCRIBED
from services.recorder.term import Surroundings, Term
from services.recorder.transcoder import Transcoder, find_ffmpeg
from services.recorder.trouble import Trouble
from services.recorder.work_dir import work_dir
from switchhook.objects import open_objects
from switchhook.rpc import Encryption, serve_publish
from switchhook.runtime.clock import utc_now
from switchhook.runtime.observed import ObservedAcceptance
from switchhook.runtime.tables import await_tables
from switchhook.runtime.term import serve_terms
from switchhook.settings.link_key import link_key
from switchhook.storage import Lease
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiohttp.web import RouteDef
    from prometheus_client import CollectorRegistry

    from services.recorder.jobs import PendingCall
    from switchhook.objects import Objects
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.runtime.openapi import Described
    from switchhook.settings import Settings
    from switchhook.storage import Database
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


class Recorder:
    """See the module."""

    name = "recorder"

    def __init__(
        self,
        settings: Settings,
        *,
        objects: Objects,
        metrics: RecorderMetrics,
        program: str,
        clock: Clock,
        tracing: Tracing,
    ) -> None:
        self._settings = settings
        self._section = settings.recorder
        self._objects = objects
        self._metrics = metrics
        self._program = program
        self._clock = clock
        self._tracing = tracing
        self._api = RecorderApi(clock=clock)
        self._term: Term | None = None
        self._is_shared = False
        self._opened = asyncio.Event()
        self.address = ""
        """Where events are accepted, once `run` has said that it is ready."""

    @classmethod
    def from_settings(
        cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now, tracing: Tracing = OFF
    ) -> Recorder:
        """Raises ConfigError when there is no ffmpeg, or a key cannot be read."""
        program = find_ffmpeg(settings.recorder.ffmpeg)
        metrics = RecorderMetrics(registry, settings.recorder.sinks)
        objects = open_objects(settings)
        return cls(settings, objects=objects, metrics=metrics, program=program, clock=clock, tracing=tracing)

    @property
    def admin_routes(self) -> Sequence[RouteDef]:
        """See `Administered`."""
        return self._api.routes

    @property
    def admin_described(self) -> Described:
        """See `Administered`."""
        return DESCRIBED

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        async with AsyncExitStack() as stack:
            migrations = files("services.recorder") / "migrations"
            database = await await_tables(
                self._settings, self.name, migrations=migrations, metrics=self._metrics.database, health=health
            )
            stack.push_async_callback(database.close)
            self._is_shared = database.is_shared
            surroundings = Surroundings(
                settings=self._settings,
                database=database,
                lease=Lease(database),
                objects=self._objects,
                metrics=self._metrics,
                program=self._program,
                transcoder=Transcoder(concurrency=self._section.concurrency),
                work_dir=await self._work_dir(stack),
                links=await self._links(stack, health),
                api=self._api,
                health=health,
                opened=self._opened.set,
                clock=self._clock,
                tracing=self._tracing,
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._serve(database, health))
                await serve_terms(
                    lambda: self._run_term(surroundings),
                    surroundings.lease,
                    health=health,
                    standstill="nothing can be recorded",
                    log=log,
                )

    async def _work_dir(self, stack: AsyncExitStack) -> Path:
        context = work_dir(self._settings.data_dir)
        folder = await asyncio.to_thread(context.__enter__)
        stack.push(context)
        return folder

    async def _links(self, stack: AsyncExitStack, health: ServiceHealth) -> LinkCheck | None:
        if not self._section.verify_links:
            return None
        fileserver = self._settings.fileserver
        key = None if fileserver.links == "open" else link_key(self._settings)
        trouble = Trouble("public link", health=health, clock=self._clock)
        check = LinkCheck(
            fileserver.public_url,
            key,
            is_only_pbx=len(self._settings.pbx) <= 1,
            trouble=trouble,
            metrics=self._metrics,
            clock=self._clock,
        )
        return await stack.enter_async_context(check)

    async def _serve(self, database: Database, health: ServiceHealth) -> NoReturn:
        """Accept calls, whatever becomes of the lease: for that nothing has to be owned."""
        await self._opened.wait()
        trouble = Trouble("intake", health=health, clock=self._clock)
        catalog = Catalog(database)
        intake = Intake(catalog, begin=self._begin, name=self._name, trouble=trouble, clock=self._clock)
        encryption = Encryption.from_settings(self._settings.rpc)
        producers, tracing = self._metrics.producers, self._tracing
        observed = ObservedAcceptance(self.name, producers, tracing=tracing, clock=self._clock)
        serving = serve_publish(self._section.listen, intake.accept, encryption=encryption, answered=observed)
        async with serving as self.address:
            log.info("recorder.listening", extra={"address": self.address})
            health.ready()
            await asyncio.Event().wait()  # until cancelled
        raise AssertionError("unreachable")

    async def _run_term(self, surroundings: Surroundings) -> None:
        self._term = Term(surroundings)
        try:
            await self._term.run()
        finally:
            self._term = None

    def _begin(self, call: PendingCall) -> None:
        if self._term is not None:
            self._term.begin(call)

    def _name(self, pbx: str, call_id: str, ids: Sequence[int]) -> bool:
        return self._term.name(pbx, call_id, ids) if self._term is not None else not self._is_shared
