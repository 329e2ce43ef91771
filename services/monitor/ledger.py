"""What must not be forgotten of one PBX: its live calls and its unpublished events, written as one unit.

A unit is taken from the tracker without a pause in between, so that a call's kept state never runs ahead of its kept
events: after a kill the tracker says again exactly what was not kept.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from services.monitor.calls import memory
from switchhook.errors import StorageError
from switchhook.rpc.codec import encode
from switchhook.storage import Database, Outbox, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.tracker import CallTracker
    from switchhook.events import Event

log = logging.getLogger(__name__)

_KEEP = (
    "INSERT INTO live_calls (pbx, call_id, state) VALUES (?, ?, ?)"
    " ON CONFLICT (pbx, call_id) DO UPDATE SET state = excluded.state"
)
_FORGET = "DELETE FROM live_calls WHERE pbx = ? AND call_id = ?"
_RETRY_AFTER = 1.0  # seconds between attempts to write what the disk did not take


class CallLedger:
    """The durable side of one PBX's tracker."""

    def __init__(self, database: Database, outbox: Outbox, pbx: str) -> None:
        self._database = database
        self._outbox = outbox
        self._pbx = pbx

    async def kept_calls(self) -> list[LiveCall]:
        """The calls that were live when the monitor stopped."""
        rows = await self._database.read("SELECT state FROM live_calls WHERE pbx = ?", (self._pbx,))
        return [memory.load(state) for (state,) in rows]

    async def keep(self, tracker: CallTracker) -> Sequence[Event]:
        """Takes what came of the latest frames and returns once it is durable; waits while the disk refuses."""
        changes = tracker.take()
        if not changes.events and not changes.changed and not changes.over:
            return ()
        unit = self._outbox.append([(event.id, encode(event)) for event in changes.events])
        unit += [Statement(_KEEP, (self._pbx, call.id, memory.dump(call))) for call in changes.changed]
        unit += [Statement(_FORGET, (self._pbx, call.id)) for call in changes.over]
        is_refused = False
        while True:
            try:
                await self._database.write(unit)
                break
            except StorageError as error:
                if not is_refused:
                    log.error(  # noqa: TRY400 - the sentence tells more than the traceback
                        "ledger.refused", extra={"pbx": self._pbx, "reason": str(error), "events": len(changes.events)}
                    )
                is_refused = True
                await asyncio.sleep(_RETRY_AFTER)
        if is_refused:
            log.info("ledger.restored", extra={"pbx": self._pbx})
        self._outbox.notify()
        return changes.events
