"""A recorder's term: it reads lists and works at calls. Between two terms calls are accepted, too.

What a term is, and what every one has, stands in `switchhook.runtime.term`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from services.recorder.catalog import Catalog
from services.recorder.claims import Claims
from services.recorder.conversion import Workshop
from services.recorder.eldest import Eldest
from services.recorder.fence import Fence
from services.recorder.hunts import Hunts
from services.recorder.kept_files import KeptFiles
from services.recorder.office import Common, Office, open_desk
from services.recorder.owed_calls import OwedCalls
from services.recorder.retention import Limits, Retention
from services.recorder.retention_policy import RetentionPolicy
from services.recorder.settlement import Settlement
from services.recorder.sources import Sharing, open_source
from services.recorder.store import Store
from services.recorder.strangers import Strangers
from services.recorder.token_table import TokenTable
from services.recorder.trouble import Trouble
from services.recorder.work_dir import empty
from switchhook.errors import StorageError
from switchhook.rpc import Encryption
from switchhook.runtime.health import PassingComplaints
from switchhook.runtime.term import Tenure
from switchhook.storage import Outbox
from switchhook.storage.share import Share
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from services.recorder.api import RecorderApi
    from services.recorder.desk import Desk
    from services.recorder.jobs import PendingCall
    from services.recorder.link_check import LinkCheck
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.source import RecordingSource
    from services.recorder.transcoder import Transcoder
    from switchhook.objects import Objects
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings, Settings
    from switchhook.storage import Database, Lease
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

_STREAM = "recordings"
_COUNT_EVERY = 1.0  # seconds
_COUNT_SHARE = 50  # what waits is counted this many times as seldom as a count takes
_CLAIMED_SHARE = 4  # times as many links are claimed as conversions run at once: a PBX that hangs holds some


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all terms of a recorder have in common; `links` is None where links are not tried.

    `opened` is called when a term has begun.
    """

    settings: Settings
    database: Database
    lease: Lease
    objects: Objects
    metrics: RecorderMetrics
    program: str
    transcoder: Transcoder
    work_dir: Path
    links: LinkCheck | None
    api: RecorderApi
    health: ServiceHealth
    opened: Callable[[], None]
    clock: Clock
    tracing: Tracing = OFF


class Term:
    """Runs once."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._in = surroundings
        self._settings = surroundings.settings
        self._section = surroundings.settings.recorder
        self._pbx_by_name = {pbx.name: pbx for pbx in surroundings.settings.pbx}
        self._encryption = Encryption.from_settings(surroundings.settings.rpc)
        self._complaints = PassingComplaints(surroundings.health)
        self._fence = Fence(surroundings.lease)
        self._eldest = Eldest(surroundings.database, self._fence)
        kept = KeptFiles(surroundings.database)
        self._kept = kept
        self._catalog = Catalog(surroundings.database)
        self._owed = OwedCalls(surroundings.database, kept)
        self._share = Share(
            surroundings.database,
            surroundings.lease,
            self._pbx_by_name,
            is_busy=lambda _: False,
            idle=lambda: None,
        )
        self._hunts: Hunts | None = None
        self._strangers: Strangers | None = None

    def begin(self, call: PendingCall) -> None:
        """Look for the recordings of a call that was accepted here."""
        if self._hunts is not None:
            self._hunts.accept(call)
        if call.pbx not in self._pbx_by_name and self._strangers is not None:
            self._strangers.stir()

    def name(self, pbx: str, call_id: str, ids: Sequence[int]) -> bool:
        """The call log names the call's recordings; False where another recorder wants to know."""
        is_ours = self._hunts is not None and self._hunts.name(pbx, call_id, ids)
        return is_ours or not self._fence.is_shared

    async def run(self) -> NoReturn:
        """Until cancelled, or until the lease is lost: then it raises a group of `LeaseLost`."""
        shared, lease = self._in, self._in.lease
        await lease.join()
        outbox = Outbox(shared.database, _STREAM, self._section.sinks, lease=lease)
        tenure = self._tenure(outbox)
        farewell = [self._share.farewell()]
        try:
            await outbox.load()
            await asyncio.to_thread(empty, shared.work_dir)
            shared.health.solved("database")
            async with AsyncExitStack() as stack:
                common = self._common(outbox)
                sources = await self._sources(stack)
                desks: dict[str, Desk] = {}
                claims = Claims(
                    shared.database,
                    self._owed,
                    common.settlement,
                    fence=self._fence,
                    desks=desks,
                    announces_unmatched=self._section.announce_unmatched,
                    at_once=_CLAIMED_SHARE * (self._section.concurrency + 1),
                    clock=shared.clock,
                )
                farewell.append(claims.farewell())
                for name, pbx in self._pbx_by_name.items():
                    desks[name] = open_desk(pbx, sources[name](), common, left=claims.left)
                retention = self._retention(common)
                stack.enter_context(shared.api.opened(shared.database, retention=retention))
                async with asyncio.TaskGroup() as tasks:
                    self._hunt(tasks, common, sources, claims)
                    for desk in desks.values():
                        tasks.create_task(desk.run())
                    for work in (claims.run(), claims.rescue(), retention.run(), self._count()):
                        tasks.create_task(work)
                    tenure.begin(tasks)
                    shared.opened()
                    await tenure.measure()
        finally:
            self._hunts = self._strangers = None
            self._complaints.withdraw()
            await tenure.end(*farewell)
        raise AssertionError("unreachable")

    def _tenure(self, outbox: Outbox) -> Tenure:
        shared = self._in
        return Tenure(
            lease=shared.lease,
            outbox=outbox,
            sinks=shared.metrics.sinks,
            encryption=self._encryption,
            health=self._complaints,
            clock=shared.clock,
            tracing=shared.tracing,
            log=log,
        )

    def _hunt(
        self,
        tasks: asyncio.TaskGroup,
        common: Common,
        sources: Mapping[str, Callable[[], RecordingSource]],
        claims: Claims,
    ) -> None:
        def office(name: str) -> Office:
            return Office(self._pbx_by_name[name], sources[name](), common, found=claims.stir)

        self._hunts = Hunts(tasks, office, owed=self._owed, fence=self._fence)
        self._strangers = Strangers(
            self._in.database,
            self._owed,
            common.settlement,
            configured=self._pbx_by_name,
            eldest=self._eldest,
            fence=self._fence,
        )
        tasks.create_task(self._share.run(self._hunts))
        tasks.create_task(self._hunts.listen(self._in.database))
        tasks.create_task(self._strangers.run())

    def _common(self, outbox: Outbox) -> Common:
        shared, section, clock = self._in, self._section, self._in.clock
        settlement = Settlement(
            shared.database,
            self._catalog,
            self._kept,
            outbox=outbox,
            policy=RetentionPolicy.from_settings(section),
            clock=clock,
            fence=self._fence,
            tracing=shared.tracing,
        )
        settlement.measured_by(shared.metrics)
        workshop = Workshop(
            work_dir=shared.work_dir,
            program=shared.program,
            bitrate=section.bitrate,
            min_length=section.min_length,
            transcoder=shared.transcoder,
            store=Store(shared.objects, self._kept),
            metrics=shared.metrics,
            tracing=shared.tracing,
        )
        return Common(
            section=section,
            catalog=self._catalog,
            owed=self._owed,
            fence=self._fence,
            settlement=settlement,
            workshop=workshop,
            links=shared.links,
            storage=Trouble("storage", health=self._complaints, clock=clock),
            health=self._complaints,
            clock=clock,
        )

    async def _sources(self, stack: AsyncExitStack) -> dict[str, Callable[[], RecordingSource]]:
        shared = self._in
        place = self._token_place if shared.lease.is_shared else None
        sharing = Sharing(place=place, demand=self._fence.demand)
        return {
            name: await open_source(stack, pbx, shared.settings, sharing=sharing, clock=shared.clock)
            for name, pbx in self._pbx_by_name.items()
        }

    def _token_place(self, name: str) -> TokenTable:
        pbx: PbxSettings = self._pbx_by_name[name]
        client = f"{pbx.recorder_client_id} {pbx.url.rstrip('/')}"
        return TokenTable(self._in.database, name, client=client, fence=self._fence)

    def _retention(self, common: Common) -> Retention:
        shared, section = self._in, self._section
        return Retention(
            self._catalog,
            self._kept,
            common.workshop.store,
            metrics=shared.metrics,
            limits=Limits(
                purge_at=section.purge_at,
                quota=section.quota,
                remember_calls=RetentionPolicy.from_settings(section).longest,
            ),
            trouble=Trouble("retention", health=self._complaints, clock=shared.clock),
            clock=shared.clock,
            is_ours=self._eldest.is_here,
        )

    async def _count(self) -> NoReturn:
        """What waits is told by each recorder for all; the more there is, the more seldom it is counted."""
        shared, timer = self._in, asyncio.get_running_loop().time
        while True:
            began_at = timer()
            try:
                links, since = await self._catalog.waiting()
            except StorageError:
                pass  # the last count stands
            else:
                oldest = (shared.clock() - since).total_seconds() if since is not None else 0.0
                shared.metrics.waiting(links, max(0.0, oldest))
            await asyncio.sleep(max(_COUNT_EVERY, _COUNT_SHARE * (timer() - began_at)))
