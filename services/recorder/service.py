"""Wires the recorder: intake → finder → conversion → settlement → outbox → dispatcher."""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from services.recorder.catalog import Catalog
from services.recorder.conversion import Workshop
from services.recorder.desk import Desk, Patience
from services.recorder.finder import Finder, FinderTools, Findings
from services.recorder.hunt import Hunt
from services.recorder.intake import Intake
from services.recorder.jobs import Failed, Reason
from services.recorder.metrics import RecorderMetrics
from services.recorder.retention import Retention
from services.recorder.settlement import Settlement
from services.recorder.source import RecordingSource
from services.recorder.store import Store
from services.recorder.transcoder import Transcoder, end_leftovers, find_ffmpeg
from services.recorder.trouble import Trouble
from switchhook.errors import StorageError
from switchhook.pbx import PbxSession
from switchhook.rpc import Publisher, serve_publish
from switchhook.runtime.clock import utc_now
from switchhook.storage import Outbox, open_database

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import CollectorRegistry
    from pydantic import SecretStr

    from services.recorder.jobs import PendingCall
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings, RecorderSettings, Settings
    from switchhook.storage import Database

log = logging.getLogger(__name__)

_STREAM = "recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """The API client that the recorder uses for a PBX: one of its own, or the monitor's."""

    name: str
    url: str
    client_id: str
    client_secret: SecretStr
    ca_file: Path | None


class Recorder:
    """See the module."""

    name = "recorder"

    def __init__(self, settings: Settings, *, metrics: RecorderMetrics, program: str, clock: Clock) -> None:
        self._settings = settings
        self._section = settings.recorder
        self._metrics = metrics
        self._program = program
        self._clock = clock
        self.address = ""
        """Where events are accepted, once `run` has said that it is ready."""

    @classmethod
    def from_settings(cls, settings: Settings, *, registry: CollectorRegistry, clock: Clock = utc_now) -> Recorder:
        """Raises ConfigError when there is no ffmpeg."""
        program = find_ffmpeg(settings.recorder.ffmpeg)
        return cls(settings, metrics=RecorderMetrics(registry), program=program, clock=clock)

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            database = await open_database(
                settings.database.url,
                data_dir=settings.data_dir,
                service=self.name,
                migrations=files("services.recorder") / "migrations",
                include_outbox=True,
            )
            stack.push_async_callback(database.close)
            outbox = Outbox(database, _STREAM, self._section.sinks)
            stack.push_async_callback(outbox.flush)
            sessions = {
                pbx.name: await stack.enter_async_context(_session(pbx, settings.data_dir, self._clock))
                for pbx in settings.pbx
            }
            await self._work(_Parts(database, outbox, sessions, health))

    async def _work(self, parts: _Parts) -> None:
        # Absolute: by this path, and no other of the same name, leftover conversions are found.
        work_dir = await asyncio.to_thread((self._settings.data_dir / "recorder-work").resolve)
        store = Store(self._settings.storage_root)
        await asyncio.to_thread(_prepare, work_dir, store)
        catalog = Catalog(parts.database)
        section, clock = self._section, self._clock
        settlement = Settlement(parts.database, catalog, parts.outbox, retention=section.retention, clock=clock)
        settlement.measured_by(self._metrics)
        workshop = Workshop(
            work_dir=work_dir,
            program=self._program,
            bitrate=section.bitrate,
            transcoder=Transcoder(concurrency=section.concurrency),
            store=store,
            metrics=self._metrics,
        )
        async with asyncio.TaskGroup() as group:
            finders = {}
            for pbx, session in parts.sessions.items():
                desk, finder = self._desk(pbx, session, parts.health, workshop, settlement=settlement, catalog=catalog)
                finders[pbx] = finder
                group.create_task(desk.run(finder))
            calls = _Calls(settlement, finders)
            for call in await catalog.unfinished():
                calls.begin(call, sweep_at=clock())
            group.create_task(calls.refuse_unknown())
            retention = Retention(catalog, store, self._metrics, retention=section.retention, clock=clock)
            group.create_task(retention.run(section.purge_at))
            for sink in section.sinks:
                group.create_task(_publisher(sink, parts).run())
            intake = Intake(catalog, begin=calls.begin, clock=clock)
            async with serve_publish(section.listen, intake.accept) as self.address:
                log.info("recorder.listening", extra={"address": self.address})
                parts.health.ready()
                await asyncio.Event().wait()  # until cancelled

    def _desk(
        self,
        pbx: str,
        session: PbxSession,
        health: ServiceHealth,
        workshop: Workshop,
        *,
        settlement: Settlement,
        catalog: Catalog,
    ) -> tuple[Desk, Finder]:
        section, clock = self._section, self._clock
        source = RecordingSource(session)
        desk = Desk(
            source,
            workshop,
            settlement,
            catalog=catalog,
            trouble=Trouble(f"pbx {pbx} download", health=health, clock=clock),
            patience=_patience(section),
            clock=clock,
        )
        tools = FinderTools(
            catalog=catalog,
            trouble=Trouble(f"pbx {pbx} recordings", health=health, clock=clock),
            metrics=self._metrics,
            clock=clock,
        )
        finder = Finder(
            pbx,
            source,
            Hunt(wait_for=section.wait_for_recording, settle=section.poll_interval * 1.5),
            tools=tools,
            findings=Findings(found=desk.found, overdue=desk.overdue),
            interval=section.poll_interval,
        )
        return desk, finder


@dataclass(frozen=True, slots=True)
class _Parts:
    database: Database
    outbox: Outbox
    sessions: dict[str, PbxSession]
    health: ServiceHealth


class _Calls:
    """Hands a call to the finder of its PBX; a call of a PBX that is not configured fails at once."""

    def __init__(self, settlement: Settlement, finders: dict[str, Finder]) -> None:
        self._settlement = settlement
        self._finders = finders
        self._unknown: list[PendingCall] = []
        self._stirred = asyncio.Event()

    def begin(self, call: PendingCall, *, sweep_at: datetime | None = None) -> None:
        self._settlement.owe(call)
        finder = self._finders.get(call.pbx)
        if finder is not None:
            finder.add(call, sweep_at=sweep_at)
            return
        log.warning("recording.pbx_unknown", extra={"pbx": call.pbx, "call": call.call_id})
        self._unknown.append(call)
        self._stirred.set()

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


def _patience(section: RecorderSettings) -> Patience:
    # One more than ffmpeg has places: it fetches while the others convert.
    return Patience(
        wait_for_recording=section.wait_for_recording,
        first_pause=section.poll_interval,
        workers=section.concurrency + 1,
    )


def _session(pbx: PbxSettings, data_dir: Path, clock: Clock) -> PbxSession:
    has_own = bool(pbx.recorder_client_id)
    client = _Client(
        name=pbx.name,
        url=pbx.url,
        client_id=pbx.recorder_client_id or pbx.client_id,
        client_secret=pbx.recorder_client_secret if has_own else pbx.client_secret,
        ca_file=pbx.ca_file,
    )
    # A client of our own has a token of its own; the monitor's is shared with it through one file.
    file = f"{pbx.name}-recorder.json" if has_own else f"{pbx.name}.json"
    return PbxSession(client, token_file=data_dir / "tokens" / file, now=clock)


def _publisher(sink: str, parts: _Parts) -> Publisher:
    check = f"sink {sink}"

    def on_state(problem: str | None) -> None:
        if problem is None:
            parts.health.solved(check)
        else:
            parts.health.problem(check, problem)

    return Publisher(sink, parts.outbox.backlog(sink), on_state=on_state)


def _prepare(work_dir: Path, store: Store) -> None:
    """Begin with an empty folder, and nobody at work in it."""
    end_leftovers(work_dir)
    shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True)
    store.sweep_drafts()
