"""All that works for one PBX: its source, the finder that reads it, the desk that converts, and the filing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.recorder.desk import Desk, Patience, Troubles
from services.recorder.filing import Filing
from services.recorder.finder import Finder, FinderTools, Findings, Pace
from services.recorder.hunt import Hunt
from services.recorder.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.conversion import Workshop
    from services.recorder.jobs import PendingCall
    from services.recorder.link_check import LinkCheck
    from services.recorder.settlement import Settlement
    from services.recorder.source import RecordingSource
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings, RecorderSettings


# Of an interval: the next look that begins after a link's newest row decides whether it has all of them.
_SETTLE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the offices of one recorder share; `links` is None where links are not tried."""

    section: RecorderSettings
    catalog: Catalog
    settlement: Settlement
    workshop: Workshop
    links: LinkCheck | None
    storage: Trouble
    health: ServiceHealth
    clock: Clock


class Office:
    """One PBX's."""

    def __init__(self, pbx: PbxSettings, source: RecordingSource, common: Common) -> None:
        self._source = source
        self._is_by_id = common.section.source == "xapi"
        section, health, clock = common.section, common.health, common.clock
        self._desk = Desk(
            source,
            common.workshop,
            common.settlement,
            catalog=common.catalog,
            links=common.links,
            troubles=Troubles(
                pbx=Trouble(f"pbx {pbx.name} download", health=health, clock=clock), storage=common.storage
            ),
            patience=_patience(section),
            clock=clock,
        )
        self._filing = Filing(
            pbx.name,
            common.catalog,
            common.settlement,
            timezone=pbx.timezone,
            is_announced=section.announce_unmatched,
            found=self._desk.found,
        )
        tools = FinderTools(
            catalog=common.catalog,
            trouble=Trouble(f"pbx {pbx.name} recordings", health=health, clock=clock),
            metrics=common.workshop.metrics,
            clock=clock,
        )
        self._finder = Finder(
            pbx.name,
            source,
            Hunt(wait_for=section.wait_for_recording, settle=section.poll_interval * _SETTLE),
            tools=tools,
            findings=Findings(found=self._desk.found, overdue=self._desk.overdue, unmatched=self._filing.file),
            pace=Pace(interval=section.poll_interval, unmatched_after=section.unmatched_after),
        )

    def begin(self, call: PendingCall, *, sweep_at: datetime | None = None) -> None:
        """Look for the call's recordings."""
        self._finder.add(call, sweep_at=sweep_at)

    def name(self, call_id: str, ids: Sequence[int]) -> None:
        """The PBX's call log says that these recordings are the call's; files in a folder have other ids."""
        if self._is_by_id:
            self._finder.name(call_id, ids)

    async def resume(self, call: PendingCall, *, at: datetime) -> None:
        """Take up a call that a former run left. Raises `StorageError`."""
        if call.is_matched:
            self.begin(call, sweep_at=at)
        else:
            await self._filing.resume(call)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._source.run(self._finder.stir))
            group.create_task(self._finder.run())
            group.create_task(self._desk.run())


def _patience(section: RecorderSettings) -> Patience:
    # One more than ffmpeg has places: it fetches while the others convert.
    return Patience(
        wait_for_recording=section.wait_for_recording,
        first_pause=section.poll_interval,
        workers=section.concurrency + 1,
    )
