"""Settling: records what came of turns, those that end while a commit is under way together with the next one.

Comes back when it is committed; what nobody waits for any more is committed too. What the database refuses for one turn
it refuses for that one alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from services.dispatcher.deliveries import Status
from services.dispatcher.settlements import Turned, finish, new_heads, postpone
from switchhook.errors import ConstraintViolated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dispatcher.arrivals import CallKey
    from services.dispatcher.deliveries import Deliveries, Head, Settlement
    from switchhook.storage.database import Statement

TOGETHER = 200  # turns in one unit, at most


class Settling:
    """Of all endpoints. Errors are those of `Database`."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._waiting: deque[tuple[Turned, asyncio.Future[Head | None]]] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def settle(
        self, endpoint: str, head: Head, settlement: Settlement, *, also: Sequence[Statement] = ()
    ) -> Head | None:
        """Record a turn and what follows from it; gives the lane's new head when the delivery is finished.

        `also` becomes part of the unit.
        """
        turned = Turned(endpoint, head, settlement)
        if settlement.status is Status.PENDING:
            await asyncio.shield(self._deliveries.write([*postpone(turned), *also]))
            return None
        if also:
            [next_head] = await asyncio.shield(self._finish([turned], also))
        else:
            next_head = await self._finish_with_others(turned)
        if next_head is None:
            self._deliveries.doubt(endpoint, head.call)
        return next_head

    async def _finish_with_others(self, turned: Turned) -> Head | None:
        finished: asyncio.Future[Head | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turned, finished))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return await finished

    async def _commit(self) -> None:
        batch: list[tuple[Turned, asyncio.Future[Head | None]]] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
                outcomes = await self._outcomes([turned for turned, _ in batch])
                for (_, finished), outcome in zip(batch, outcomes, strict=True):
                    if finished.done():
                        continue  # who waited for it was cancelled
                    if isinstance(outcome, Exception):
                        finished.set_exception(outcome)
                    else:
                        finished.set_result(outcome)
        except asyncio.CancelledError:
            for _, finished in (*batch, *self._waiting):
                finished.cancel()
            raise
        finally:
            self._committing = None

    async def _outcomes(self, all_turned: Sequence[Turned]) -> Sequence[Head | Exception | None]:
        try:
            return await self._finish(all_turned)
        except ConstraintViolated as error:
            if len(all_turned) == 1:
                return [error]
        except Exception as error:  # the boundary of the task: every error must reach those who wait
            return [error] * len(all_turned)
        return [outcome for turned in all_turned for outcome in await self._outcomes([turned])]

    async def _finish(self, all_turned: Sequence[Turned], also: Sequence[Statement] = ()) -> Sequence[Head | None]:
        unit = finish(all_turned, in_one_journey=self._deliveries.is_shared)
        rows = await self._deliveries.write([*unit, *also])
        head_by_lane: dict[tuple[str, CallKey], Head] = new_heads(rows[len(unit) - 1])
        return [head_by_lane.get((turned.endpoint, turned.head.call)) for turned in all_turned]
