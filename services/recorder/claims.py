"""Claims: which of several recorders on one database works at what was found of a call. Alone, one claims everything.

Theory of operation. A call with something to do has a time from which it is due, and an owner: the number of a lease
(see `switchhook.storage.lease`), or 0. Whoever has room claims the calls that are due the longest, as few as it
can do soon, so that the work spreads by itself. What a dead replica had claimed is freed by whoever sees it. The number
is a fencing number: a settlement counts only where the row still has it. A call is one claim, for its outcomes are told
in their order. What a former run of a recorder that is alone had claimed is its own again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from services.recorder.findings import listed, looked
from services.recorder.owed_calls import COLUMNS
from switchhook.errors import LeaseLost, StorageError
from switchhook.storage import Statement
from switchhook.storage.lease import BURY, IS_ANY_DEAD, NOW, RENEW_EVERY
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.recorder.desk import Desk, Left
    from services.recorder.fence import Fence
    from services.recorder.jobs import PendingCall
    from services.recorder.owed_calls import OwedCalls
    from services.recorder.settlement import Settlement
    from switchhook.runtime.clock import Clock
    from switchhook.storage import Database, Row

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds, where others may find something for us
_LOOK_ALONE_EVERY = 5.0  # seconds; what is found here is told

_CLAIM_ALONE = f"""
UPDATE calls SET owner = ? WHERE (pbx, call_id) IN (
    SELECT pbx, call_id FROM calls WHERE owner = 0 AND due_at <= ? AND pbx IN ({{}}) ORDER BY due_at LIMIT ?)
RETURNING {COLUMNS}"""  # noqa: S608 - constants
_CLAIM = f"""
UPDATE calls SET owner = ? WHERE (pbx, call_id) IN (
    SELECT pbx, call_id FROM calls WHERE owner = 0 AND due_at <= ? AND pbx = ANY (?)
    ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED)
AND EXISTS (SELECT 1 FROM replicas WHERE number = ? AND expires_at > {NOW})
RETURNING {COLUMNS}"""  # noqa: S608 - constants
_OURS = f"SELECT {COLUMNS} FROM calls WHERE owner = ? AND owner <> 0"  # noqa: S608 - a constant
# The first locks the row, so that the second sees what was found until then.
_FREE = "UPDATE calls SET owner = 0 WHERE pbx = ? AND call_id = ? AND owner = ?"
_DUE_AGAIN = (
    "UPDATE calls SET due_at = CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.pbx = calls.pbx"
    " AND jobs.call_id = calls.call_id AND status = 'waiting' AND listed <> '') THEN CAST(? AS BIGINT) END"
    " WHERE pbx = ? AND call_id = ? AND owner = 0"
)
_FREE_ALL = "UPDATE calls SET owner = 0 WHERE owner = ? AND owner <> 0"
_IS_ANY_TO_RESCUE = f"""
{IS_ANY_DEAD} OR EXISTS (SELECT 1 FROM calls WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas))"""  # noqa: S608 - constants
_RESCUE = """
UPDATE calls SET owner = 0 WHERE (pbx, call_id) IN (
    SELECT pbx, call_id FROM calls WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas)
    FOR UPDATE SKIP LOCKED)
RETURNING call_id"""


@dataclass(slots=True)
class _Held:
    """A call that is ours; `links` are at a desk, `given_back` are to be tried at `due_at`, by whoever claims it."""

    call: PendingCall
    links: set[int] = field(default_factory=set)
    given_back: set[int] = field(default_factory=set)
    due_at: datetime | None = None

    @property
    def may_get_more(self) -> bool:
        """True when something may be found of a link that has no outcome yet."""
        return len(self.known) < len(self.call.links)

    @property
    def known(self) -> set[int]:
        """The links that need not be brought to a desk."""
        return self.links | self.given_back | self.call.outcomes.keys()


class Claims:
    """One recorder's, for the length of a lease."""

    def __init__(
        self,
        database: Database,
        owed: OwedCalls,
        settlement: Settlement,
        *,
        fence: Fence,
        desks: Mapping[str, Desk],
        announces_unmatched: bool,
        at_once: int,
        clock: Clock,
    ) -> None:
        """`at_once`: how many links may be worked at in this process, whatever the desks have room for."""
        self._database = database
        self._owed = owed
        self._settlement = settlement
        self._fence = fence
        self._desks = desks
        self._announces_unmatched = announces_unmatched
        self._at_once = at_once
        self._clock = clock
        self._held: dict[tuple[str, str], _Held] = {}
        self._claimed: deque[Row] = deque()
        self._left: deque[Left] = deque()
        self._is_unsure = True  # what our number owns may be more than we know of
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Something was found: look soon."""
        self._stirred.set()

    def left(self, left: Left) -> None:
        """A desk is done with a link."""
        self._left.append(left)
        self._stirred.set()

    async def run(self) -> NoReturn:
        """Claim and give back until cancelled. Raises `LeaseLost`."""
        pause = _LOOK_EVERY if self._fence.is_shared else _LOOK_ALONE_EVERY
        is_refused = False
        while True:
            self._fence.demand()
            self._stirred.clear()
            try:
                await self._step()
                is_refused = False
            except LeaseLost:
                raise
            except StorageError as error:
                self._is_unsure = True
                if not is_refused:
                    log.warning("claims.refused", extra={"replica": self._fence.number, "reason": str(error)})
                is_refused = True
                await asyncio.sleep(_LOOK_EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()

    async def rescue(self) -> None:
        """Free what dead replicas had claimed, every second; alone, come back at once."""
        while self._fence.is_shared:
            try:
                [(is_any,)] = await self._database.read(_IS_ANY_TO_RESCUE)
                if is_any:
                    dead, rescued = await self._database.write([BURY, Statement(_RESCUE)])
                    facts = {"replicas": [number for (number,) in dead], "calls": len(rescued)}
                    log.warning("replica.taken_over", extra=facts)
                    self.stir()
            except StorageError as error:
                log.warning("claims.not_rescued", extra={"replica": self._fence.number, "reason": str(error)})
            await asyncio.sleep(RENEW_EVERY.total_seconds())

    def farewell(self) -> Statement:
        """Frees everything that is ours."""
        return Statement(_FREE_ALL, (self._fence.number,))

    async def _step(self) -> None:
        if self._is_unsure:
            known = {*self._held, *((row[0], row[1]) for row in self._claimed)}
            rows = await self._database.read(_OURS, (self._fence.number,))
            self._claimed += [row for row in rows if (row[0], row[1]) not in known]
            self._is_unsure = False
        while True:
            await self._give_back()
            for held in list(self._held.values()):
                if held.may_get_more:
                    await self._bring(held)
            while self._claimed:
                call = await self._owed.restored(self._claimed[0])
                self._claimed.popleft()  # what fails from here on is held already, and is given back
                await self._hold(call)
            asked = self._room()
            if asked <= 0:
                return
            self._claimed += await self._claim(asked)
            if not self._claimed:
                return

    def _room(self) -> int:
        busy = sum(desk.busy for desk in self._desks.values())
        return min(sum(desk.room for desk in self._desks.values()), self._at_once - busy)

    async def _claim(self, limit: int) -> list[Row]:
        number, now = self._fence.number, micros(self._clock())
        pbxs = [pbx for pbx, desk in self._desks.items() if desk.room]
        if self._fence.is_shared:
            claim = Statement(_CLAIM, (number, now, pbxs, limit, number))
        else:
            marks = ", ".join("?" * len(pbxs))
            claim = Statement(_CLAIM_ALONE.format(marks), (number, now, *pbxs, limit))
        [rows] = await self._database.write([claim])
        return rows

    async def _hold(self, call: PendingCall) -> None:
        call.is_announced = call.is_matched or self._announces_unmatched
        held = self._held[call.pbx, call.call_id] = _Held(call)
        self._settlement.owe(call)
        await self._bring(held)
        if not held.links:
            await self._release([held])

    async def _bring(self, held: _Held) -> None:
        """Hand to the desk what was found of the call and is not there yet."""
        call = held.call
        desk = self._desks.get(call.pbx)
        link_by_number = {link.key.link: link for link in call.links}
        for each in await listed(self._database, call.pbx, call.call_id) if desk is not None else ():
            if desk is not None and each.link not in held.known:
                held.links.add(each.link)
                desk.take(link_by_number[each.link], each)

    async def _give_back(self) -> None:
        """Release the calls of which nothing is at a desk any more."""
        looks = []
        while self._left:
            left = self._left.popleft()
            held = self._held[left.link.key.pbx, left.link.key.call_id]
            held.links.discard(left.link.key.link)
            if left.again_in is not None:
                again_at = self._clock() + left.again_in
                held.due_at = again_at if held.due_at is None else min(held.due_at, again_at)
                held.given_back.add(left.link.key.link)
                looks.append(looked(left.link, left.looks))
        await self._release([held for held in self._held.values() if not held.links], looks)

    async def _release(self, held: list[_Held], looks: list[Statement] | None = None) -> None:
        unit = list(looks or ())
        for each in held:
            key = each.call.pbx, each.call.call_id
            unit.append(Statement(_FREE, (*key, self._fence.number)))
            unit.append(Statement(_DUE_AGAIN, (micros(each.due_at or self._clock()), *key)))
        if unit:
            await self._database.write(unit)
        for each in held:
            del self._held[each.call.pbx, each.call.call_id]
            self._settlement.leave(each.call)
