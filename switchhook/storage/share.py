"""This replica's share of the PBXs: looks at the table of owners every second, and brings about what it says.

What is ours and not watched is begun, what is watched and not ours is ended; then this replica's next moves are made.
Where the database is not shared, all PBXs are ours.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn, Protocol

from switchhook.errors import StorageError
from switchhook.storage.lease import STORAGE_PAUSE
from switchhook.storage.owners import Owners
from switchhook.storage.sharing import Replica, free, next_moves

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from switchhook.storage.database import Database, Statement
    from switchhook.storage.lease import Lease
    from switchhook.storage.sharing import Ownership

log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds between looks
_HASTE = 0.2  # seconds, while a PBX is on its way from one replica to another,
_HASTY_FOR = 5.0  # for so many seconds after it was asked for
_LEFT_OVER_AFTER = 2.0  # seconds; a PBX that is free for so long is in nobody else's configuration
_QUIET_WITHIN = 2.0  # seconds to wait for a moment without calls before a PBX is handed over


class Watches(Protocol):
    """What is done for PBXs in this process."""

    @property
    def running(self) -> set[str]:
        """The PBXs that are watched."""

    def begin(self, pbx: str) -> None:
        """Watch a PBX until `end`."""

    async def end(self, pbx: str) -> None:
        """Stop; when this returns nothing more is done for the PBX."""


class Share:
    """One lease's; `idle` is called when others watch all PBXs, `is_busy` tells whether calls of a PBX live."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        pbxs: Collection[str],
        *,
        is_busy: Callable[[str], bool],
        idle: Callable[[], None],
    ) -> None:
        self._lease = lease
        self._pbxs = pbxs
        self._is_busy = is_busy
        self._idle = idle
        self._owners = Owners(database, lease)
        self._free_since: dict[str, float] = {}
        self._asked_since: dict[str, float] = {}
        self._hasty_until = 0.0

    async def run(self, watches: Watches) -> NoReturn:
        """Watch what is ours until cancelled. Raises `LeaseLost`."""
        if not self._lease.is_shared:
            for pbx in self._pbxs:
                watches.begin(pbx)
            await asyncio.Event().wait()
        is_enrolled = is_refused = False
        while True:
            self._lease.demand()
            try:
                if not is_enrolled:
                    await self._owners.enrol(self._pbxs)
                    is_enrolled = True
                pause = await self._step(watches)
                is_refused = False
            except StorageError as error:
                self._lease.demand()
                if not is_refused:
                    facts = {"replica": self._lease.number, "reason": str(error)}
                    log.warning("pbxs.unshared", extra=facts)
                is_refused, pause = True, STORAGE_PAUSE.total_seconds()
            await asyncio.sleep(pause)

    def farewell(self) -> Statement:
        """Frees everything that is ours."""
        return self._owners.farewell()

    async def _step(self, watches: Watches) -> float:
        """One look and what follows from it; gives the seconds until the next one."""
        table, living = await self._owners.look()
        self._lease.demand()
        ours = {one.pbx for one in table if one.owner == self._lease.number}
        await self._bring_about(ours, watches)
        replica = Replica(number=self._lease.number, configured=self._pbxs, left_over=self._left_over(table, living))
        moves = next_moves(table, living | {replica.number}, replica)
        claimed = await self._owners.claim(moves.claim) if moves.claim else []
        if claimed:
            await self._bring_about(ours | set(claimed), watches)
        if moves.ask:
            await self._owners.ask(moves.ask)
        for pbx in self._quiet(moves.hand_over):
            log.info("pbx.handed_over", extra={"replica": replica.number, "pbx": pbx})
            await watches.end(pbx)
            await self._owners.hand_over(pbx)
        if not ours and not moves.claim and not free(table, living, self._pbxs):
            self._idle()
        now = asyncio.get_running_loop().time()
        if moves.ask or moves.hand_over:
            self._hasty_until = now + _HASTY_FOR
        return _HASTE if now < self._hasty_until else _PAUSE

    async def _bring_about(self, ours: Collection[str], watches: Watches) -> None:
        running = watches.running
        for pbx in running - set(ours):
            await watches.end(pbx)
        begun = [pbx for pbx in self._pbxs if pbx in ours and pbx not in running]
        for pbx in begun:
            watches.begin(pbx)
        if begun:
            log.info("pbxs.watched", extra={"replica": self._lease.number, "pbxs": begun})

    def _left_over(self, table: Sequence[Ownership], living: Collection[int]) -> list[str]:
        now = asyncio.get_running_loop().time()
        self._free_since = {pbx: self._free_since.get(pbx, now) for pbx in free(table, living, self._pbxs)}
        return [pbx for pbx, since in self._free_since.items() if now - since >= _LEFT_OVER_AFTER]

    def _quiet(self, asked: Sequence[str]) -> list[str]:
        """Those of the PBXs on which nobody calls, or that were asked for long enough ago."""
        now = asyncio.get_running_loop().time()
        self._asked_since = {pbx: self._asked_since.get(pbx, now) for pbx in asked}
        return [
            pbx for pbx, since in self._asked_since.items() if now - since >= _QUIET_WITHIN or not self._is_busy(pbx)
        ]
