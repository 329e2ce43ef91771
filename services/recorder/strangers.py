"""Calls of PBXs that are not configured: their recordings fail, for nobody will ever look for them.

A recorder that is alone refuses them at once. Of several, the eldest does, for PBXs that none of them has had for a
while: while an upgrade goes on, their configurations may differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, NoReturn

from services.recorder.arrivals import forgetting
from services.recorder.jobs import Failed, Reason
from services.recorder.owed_calls import COLUMNS
from switchhook.errors import LeaseLost, StorageError
from switchhook.storage import Statement

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.recorder.eldest import Eldest
    from services.recorder.fence import Fence
    from services.recorder.owed_calls import OwedCalls
    from services.recorder.settlement import Settlement
    from switchhook.storage import Database

log = logging.getLogger(__name__)

_LOOK_EVERY = 10.0  # seconds
_GRACE = 60.0  # seconds
_AT_ONCE = 100

_OWED = "SELECT DISTINCT pbx FROM jobs WHERE told_at IS NULL"
_HAD = "SELECT pbx FROM pbx_owners WHERE owner IN (SELECT number FROM replicas)"
_CLAIM = f"""
UPDATE calls SET owner = ? WHERE (pbx, call_id) IN (
    SELECT pbx, call_id FROM calls WHERE pbx = ? AND owner IN (0, ?) AND EXISTS (
        SELECT 1 FROM jobs WHERE jobs.pbx = calls.pbx AND jobs.call_id = calls.call_id AND told_at IS NULL)
    LIMIT {_AT_ONCE})
RETURNING {COLUMNS}"""  # noqa: S608 - constants
_FREE = "UPDATE calls SET owner = 0, due_at = NULL WHERE pbx = ? AND call_id = ? AND owner = ?"


class Strangers:
    """One recorder's."""

    def __init__(
        self,
        database: Database,
        owed: OwedCalls,
        settlement: Settlement,
        *,
        configured: Collection[str],
        eldest: Eldest,
        fence: Fence,
    ) -> None:
        self._database = database
        self._owed = owed
        self._settlement = settlement
        self._configured = configured
        self._eldest = eldest
        self._fence = fence
        self._since: dict[str, float] = {}
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """A call of such a PBX was accepted."""
        self._stirred.set()

    async def run(self) -> NoReturn:
        """Refuse until cancelled. Raises `LeaseLost`."""
        while True:
            self._stirred.clear()
            try:
                if await self._eldest.is_here():
                    await self._look()
            except LeaseLost:
                raise
            except StorageError as error:  # the next look makes up for it
                log.warning("recording.strangers_unread", extra={"reason": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._stirred.wait()

    async def _look(self) -> None:
        owed = {pbx for (pbx,) in await self._database.read(_OWED)} - set(self._configured)
        if owed and self._fence.is_shared:
            owed -= {pbx for (pbx,) in await self._database.read(_HAD)}
        now, grace = asyncio.get_running_loop().time(), _GRACE if self._fence.is_shared else 0.0
        self._since = {pbx: self._since.get(pbx, now) for pbx in owed}
        for pbx in [pbx for pbx, since in self._since.items() if now - since >= grace]:
            while await self._refuse(pbx):
                pass
            await self._database.write([forgetting(pbx)])

    async def _refuse(self, pbx: str) -> int:
        number = self._fence.number
        [rows] = await self._database.write([Statement(_CLAIM, (number, pbx, number))])
        for row in rows:
            call = await self._owed.restored(row)
            log.warning("recording.pbx_unknown", extra={"pbx": pbx, "call_id": call.call_id})
            call.is_announced = call.is_matched
            self._settlement.owe(call)
            for link in call.links:
                await self._settlement.settle(link, Failed(Reason.PBX_UNKNOWN))
            self._settlement.leave(call)
            await self._database.write([Statement(_FREE, (pbx, call.call_id, number))])
        return len(rows)
