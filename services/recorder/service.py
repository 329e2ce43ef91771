"""Wires the recorder: intake → finder → conversion → settlement → outbox → dispatcher."""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, NoReturn

from services.recorder.api import RecorderApi
from services.recorder.catalog import Catalog
from services.recorder.conversion import Workshop
from services.recorder.intake import Intake
from services.recorder.jobs import Failed, Reason
from services.recorder.kept_files import KeptFiles
from services.recorder.link_check import LinkCheck
from services.recorder.metrics import RecorderMetrics
from services.recorder.office import Common, Office
from services.recorder.openapi import DESCRIBED
from services.recorder.retention import Limits, Retention
from services.recorder.retention_policy import RetentionPolicy
from services.recorder.settlement import Settlement
from services.recorder.sources import open_source
from services.recorder.store import Store
from services.recorder.transcoder import Transcoder, end_leftovers, find_ffmpeg
from services.recorder.trouble import Trouble
from switchhook.errors import StorageError
from switchhook.objects import open_objects
from switchhook.rpc import Encryption, Publisher, serve_publish
from switchhook.runtime.clock import utc_now
from switchhook.runtime.measured import MeasuredDatabase
from switchhook.settings.link_key import link_key
from switchhook.storage import Outbox, open_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
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

log = logging.getLogger(__name__)

_STREAM = "recordings"
_MEASURE_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class _Tables:
    """The recorder's database, by what is in it."""

    database: Database
    catalog: Catalog
    kept: KeptFiles
    outbox: Outbox


class Recorder:
    """See the module."""

    name = "recorder"

    def __init__(
        self, settings: Settings, *, objects: Objects, metrics: RecorderMetrics, program: str, clock: Clock
    ) -> None:
        self._settings = settings
        self._section = settings.recorder
        self._objects = objects
        self._metrics = metrics
        self._program = program
        self._clock = clock
        self._api = RecorderApi(clock=clock)
        self.address = ""
        """Where events are accepted, once `run` has said that it is ready."""

    @classmethod
    def from_settings(cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now) -> Recorder:
        """Raises ConfigError when there is no ffmpeg, or a key cannot be read."""
        program = find_ffmpeg(settings.recorder.ffmpeg)
        metrics = RecorderMetrics(registry, settings.recorder.sinks)
        return cls(settings, objects=open_objects(settings), metrics=metrics, program=program, clock=clock)

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
        settings = self._settings
        async with AsyncExitStack() as stack:
            opened = await open_database(
                settings.database.url,
                data_dir=settings.data_dir,
                service=self.name,
                migrations=files("services.recorder") / "migrations",
                include_outbox=True,
            )
            database = MeasuredDatabase(opened, self._metrics.database)
            stack.push_async_callback(database.close)
            outbox = Outbox(database, _STREAM, self._section.sinks)
            await outbox.load()
            stack.push_async_callback(outbox.flush)
            kept = KeptFiles(database)
            tables = _Tables(database, Catalog(database, kept), kept, outbox)
            common = await self._common(stack, tables, health)
            offices = {
                pbx.name: Office(pbx, await open_source(stack, pbx, settings, clock=self._clock), common)
                for pbx in settings.pbx
            }
            await self._work(stack, tables, common, offices)

    async def _common(self, stack: AsyncExitStack, tables: _Tables, health: ServiceHealth) -> Common:
        section, clock = self._section, self._clock
        # Absolute: by this path, and no other of the same name, leftover conversions are found.
        work_dir = await asyncio.to_thread((self._settings.data_dir / "recorder-work").resolve)
        await asyncio.to_thread(_prepare, work_dir)
        settlement = Settlement(
            tables.database,
            tables.catalog,
            tables.kept,
            outbox=tables.outbox,
            policy=RetentionPolicy.from_settings(section),
            clock=clock,
        )
        settlement.measured_by(self._metrics)
        workshop = Workshop(
            work_dir=work_dir,
            program=self._program,
            bitrate=section.bitrate,
            min_length=section.min_length,
            transcoder=Transcoder(concurrency=section.concurrency),
            store=Store(self._objects, tables.kept),
            metrics=self._metrics,
        )
        return Common(
            section=section,
            catalog=tables.catalog,
            settlement=settlement,
            workshop=workshop,
            links=await self._links(stack, health),
            storage=Trouble("storage", health=health, clock=clock),
            health=health,
            clock=clock,
        )

    async def _links(self, stack: AsyncExitStack, health: ServiceHealth) -> LinkCheck | None:
        if not self._section.verify_links:
            return None
        fileserver = self._settings.fileserver
        key = None if fileserver.links == "open" else link_key(self._settings)
        trouble = Trouble("public link", health=health, clock=self._clock)
        check = LinkCheck(fileserver.public_url, key, trouble=trouble, metrics=self._metrics, clock=self._clock)
        return await stack.enter_async_context(check)

    async def _work(
        self, stack: AsyncExitStack, tables: _Tables, common: Common, offices: Mapping[str, Office]
    ) -> None:
        section, clock = self._section, self._clock
        calls = _Calls(common.settlement, offices)
        for call in await tables.catalog.unfinished():
            call.is_announced = call.is_matched or section.announce_unmatched
            await calls.resume(call, at=clock())
        retention = Retention(
            tables.catalog,
            tables.kept,
            common.workshop.store,
            metrics=self._metrics,
            limits=Limits(
                purge_at=section.purge_at,
                quota=section.quota,
                remember_calls=RetentionPolicy.from_settings(section).longest,
            ),
            trouble=Trouble("retention", health=common.health, clock=clock),
            clock=clock,
        )
        stack.enter_context(self._api.opened(tables.database, retention=retention))
        encryption = Encryption.from_settings(self._settings.rpc)
        async with asyncio.TaskGroup() as group:
            for office in offices.values():
                group.create_task(office.run())
            for task in (calls.refuse_unknown(), retention.run(), self._measure(tables.outbox)):
                group.create_task(task)
            for sink in section.sinks:
                publisher = Publisher(
                    sink,
                    tables.outbox.backlog(sink),
                    on_state=partial(_report, common.health, f"sink {sink}"),
                    encryption=encryption,
                    measure=self._metrics.sinks[sink],
                )
                group.create_task(publisher.run())
            trouble = Trouble("intake", health=common.health, clock=clock)
            intake = Intake(tables.catalog, begin=calls.begin, name=calls.name, trouble=trouble, clock=clock)
            serving = serve_publish(
                section.listen, intake.accept, encryption=encryption, answered=self._metrics.producers.accepted
            )
            async with serving as self.address:
                log.info("recorder.listening", extra={"address": self.address})
                common.health.ready()
                await asyncio.Event().wait()  # until cancelled

    async def _measure(self, outbox: Outbox) -> NoReturn:
        while True:
            for sink in self._section.sinks:
                self._metrics.sinks[sink].oldest(outbox.oldest_age(sink))
            await asyncio.sleep(_MEASURE_EVERY)


class _Calls:
    """Hands a call to the office of its PBX; a call of a PBX that is not configured fails at once."""

    def __init__(self, settlement: Settlement, offices: Mapping[str, Office]) -> None:
        self._settlement = settlement
        self._offices = offices
        self._unknown: list[PendingCall] = []
        self._stirred = asyncio.Event()

    def begin(self, call: PendingCall) -> None:
        self._settlement.owe(call)
        office = self._offices.get(call.pbx)
        if office is not None:
            office.begin(call)
            return
        log.warning("recording.pbx_unknown", extra={"pbx": call.pbx, "call": call.call_id})
        self._unknown.append(call)
        self._stirred.set()

    def name(self, pbx: str, call_id: str, ids: Sequence[int]) -> None:
        office = self._offices.get(pbx)
        if office is not None:
            office.name(call_id, ids)

    async def resume(self, call: PendingCall, *, at: datetime) -> None:
        office = self._offices.get(call.pbx)
        if office is None:
            self.begin(call)
            return
        self._settlement.owe(call)
        await office.resume(call, at=at)

    async def refuse_unknown(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            while self._unknown:
                call = self._unknown.pop(0)
                for link in call.links:
                    # What the database does not take now is taken up again at the next start.
                    with suppress(StorageError):
                        await self._settlement.settle(link, Failed(Reason.PBX_UNKNOWN))


def _report(health: ServiceHealth, check: str, problem: str | None) -> None:
    if problem is None:
        health.solved(check)
    else:
        health.problem(check, problem)


def _prepare(work_dir: Path) -> None:
    """Begin with an empty folder, and nobody at work in it."""
    end_leftovers(work_dir)
    shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True)
