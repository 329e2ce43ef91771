"""Whose lists of recordings this recorder reads: the offices of the PBXs that are ours, and the calls that come in.

A call is accepted by any recorder. The one that has the PBX learns of it at once when it is the same one, else from the
table of arrivals, within half a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from services.recorder.arrivals import take_arrivals
from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.recorder.arrivals import Arrival
    from services.recorder.fence import Fence
    from services.recorder.jobs import PendingCall
    from services.recorder.office import Office
    from services.recorder.owed_calls import OwedCalls
    from switchhook.storage import Database

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds


class Hunts:
    """Runs `open_office(pbx)` for each PBX that was begun, in the task group `tasks`; see `Watches` of the share."""

    def __init__(
        self, tasks: asyncio.TaskGroup, open_office: Callable[[str], Office], *, owed: OwedCalls, fence: Fence
    ) -> None:
        self._tasks = tasks
        self._open_office = open_office
        self._owed = owed
        self._fence = fence
        self._office_by_pbx: dict[str, Office] = {}
        self._task_by_pbx: dict[str, asyncio.Task[None]] = {}
        self._arrived: deque[Arrival] = deque()

    @property
    def running(self) -> set[str]:
        """The PBXs whose lists are read here."""
        return set(self._task_by_pbx)

    def begin(self, pbx: str) -> None:
        """Read the PBX's list until `end`."""
        office = self._office_by_pbx[pbx] = self._open_office(pbx)
        self._task_by_pbx[pbx] = self._tasks.create_task(office.run(), name=f"hunt {pbx}")

    async def end(self, pbx: str) -> None:
        """Stop; when this returns nothing more is kept of the PBX's list."""
        del self._office_by_pbx[pbx]
        task = self._task_by_pbx.pop(pbx)
        task.cancel()
        await asyncio.wait([task])  # no timeout: what it waits for has one

    def accept(self, call: PendingCall) -> bool:
        """Look for the recordings of a call that was accepted here; False when its PBX is not ours."""
        office = self._office_by_pbx.get(call.pbx)
        if office is not None:
            office.begin(call)
        return office is not None

    def name(self, pbx: str, call_id: str, ids: Sequence[int]) -> bool:
        """The PBX's call log says which recordings are the call's; False when the PBX is not ours."""
        office = self._office_by_pbx.get(pbx)
        if office is not None:
            office.name(call_id, ids)
        return office is not None

    async def listen(self, database: Database) -> NoReturn:
        """Learn of the calls that others accepted, until cancelled."""
        is_refused = False
        while self._fence.is_shared:
            try:
                self._arrived += await take_arrivals(database, self._fence)
                while self._arrived:
                    await self._welcome(self._arrived[0])
                    self._arrived.popleft()
                is_refused = False
            except StorageError as error:
                if not is_refused:
                    log.warning("arrivals.unread", extra={"replica": self._fence.number, "reason": str(error)})
                is_refused = True
            await asyncio.sleep(_LOOK_EVERY)
        await asyncio.Event().wait()  # until cancelled
        raise AssertionError("unreachable")

    async def _welcome(self, arrival: Arrival) -> None:
        if arrival.ids:
            self.name(arrival.pbx, arrival.call_id, arrival.ids)
        elif (call := await self._owed.one(arrival.pbx, arrival.call_id)) is not None:
            self.accept(call)
