"""All that works for one PBX: the desk that converts what is claimed; while the PBX is ours, who reads its list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.recorder.desk import Desk, Patience, Troubles
from services.recorder.filing import Filing
from services.recorder.finder import Finder, FinderTools, Findings, Pace
from services.recorder.findings import listing
from services.recorder.hunt import Hunt
from services.recorder.trouble import Trouble
from switchhook.errors import LeaseLost, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.conversion import Workshop
    from services.recorder.desk import Left
    from services.recorder.fence import Fence
    from services.recorder.hunt import Found
    from services.recorder.jobs import PendingCall
    from services.recorder.link_check import LinkCheck
    from services.recorder.owed_calls import OwedCalls
    from services.recorder.settlement import Settlement
    from services.recorder.source import RecordingSource
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import Complaints
    from switchhook.settings import PbxSettings, RecorderSettings


# Of an interval: the next look that begins after a link's newest row decides whether it has all of them.
_SETTLE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the offices of one recorder share; `links` is None where links are not tried."""

    section: RecorderSettings
    catalog: Catalog
    owed: OwedCalls
    fence: Fence
    settlement: Settlement
    workshop: Workshop
    links: LinkCheck | None
    storage: Trouble
    health: Complaints
    clock: Clock


def open_desk(pbx: PbxSettings, source: RecordingSource, common: Common, *, left: Callable[[Left], None]) -> Desk:
    """The desk of one PBX."""
    section, health, clock = common.section, common.health, common.clock
    return Desk(
        source,
        common.workshop,
        common.settlement,
        links=common.links,
        troubles=Troubles(pbx=Trouble(f"pbx {pbx.name} download", health=health, clock=clock), storage=common.storage),
        # One more than ffmpeg has places: it fetches while the others convert.
        patience=Patience(
            wait_for_recording=section.wait_for_recording,
            first_pause=section.poll_interval,
            workers=section.concurrency + 1,
            gives_back=common.fence.is_shared,
        ),
        left=left,
        clock=clock,
    )


class Office:
    """Reads one PBX's list of recordings, as long as the PBX is ours."""

    def __init__(self, pbx: PbxSettings, source: RecordingSource, common: Common, *, found: Callable[[], None]) -> None:
        """`found` is called when there is something to claim."""
        self._pbx = pbx.name
        self._source = source
        self._common = common
        self._found = found
        section, health, clock = common.section, common.health, common.clock
        self._is_by_id = section.source == "xapi"
        self._trouble = Trouble(f"pbx {pbx.name} recordings", health=health, clock=clock)
        self._filing = Filing(pbx.name, common.catalog, timezone=pbx.timezone, fence=common.fence, filed=found)
        tools = FinderTools(
            catalog=common.catalog,
            fence=common.fence,
            trouble=self._trouble,
            metrics=common.workshop.metrics,
            clock=clock,
        )
        self._finder = Finder(
            pbx.name,
            source,
            Hunt(wait_for=section.wait_for_recording, settle=section.poll_interval * _SETTLE),
            tools=tools,
            findings=Findings(found=self._keep, unmatched=self._filing.file),
            pace=Pace(interval=section.poll_interval, unmatched_after=section.unmatched_after),
        )

    def begin(self, call: PendingCall, *, sweep_at: datetime | None = None) -> None:
        """Look for the call's recordings."""
        self._finder.add(call, sweep_at=sweep_at)

    def name(self, call_id: str, ids: Sequence[int]) -> None:
        """The PBX's call log says that these recordings are the call's; files in a folder have other ids."""
        if self._is_by_id:
            self._finder.name(call_id, ids)

    async def run(self) -> None:
        """Work until cancelled. Raises `LeaseLost` when the PBX is another one's."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._source.run(self._finder.stir))
                group.create_task(self._look())
        finally:
            self._trouble.succeeded()  # it is another one's business now

    async def _look(self) -> None:
        await self._resume()
        await self._finder.run()

    async def _resume(self) -> None:
        """Take up what others, or a former run, left."""
        while True:
            try:
                for call in await self._common.owed.looked_for(self._pbx):
                    if call.is_matched:
                        self.begin(call, sweep_at=self._common.clock())
                    else:
                        await self._filing.resume(call, self._common.clock())
            except LeaseLost:
                raise
            except StorageError as error:
                self._trouble.failed(f"the recorder's database cannot be used: {error}")
                await self._trouble.pause()
            else:
                return

    async def _keep(self, found: Sequence[Found]) -> None:
        unit = [*self._common.fence.of_pbx(self._pbx), *listing(found, at=self._common.clock())]
        await self._common.catalog.write(unit)
        self._found()
