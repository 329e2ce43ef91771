"""Claims: which of several dispatchers on one database may attempt a delivery. Where there is only one, all of them.

Theory of operation. A replica has a lease (see `switchhook.storage.lease`); a claim is the lease's number in a
delivery's row, so all claims live as long as the lease. Those of a lease that ran out are given back by whoever sees
it. The number is a fencing number: a settlement counts only where the row still has it. Each renewal also tells how
many replicas there are, by which limits that are meant for all of them are divided.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.storage.database import Statement
from switchhook.storage.lease import BURY, IS_ANY_DEAD, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from services.dispatcher.deliveries import Head
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

# These are asked of PostgreSQL only.
_GIVE_BACK = "UPDATE deliveries SET owner = 0 WHERE owner = ? AND owner <> 0"
_GIVE_BACK_WAITING = (
    "UPDATE deliveries SET owner = 0 WHERE owner = ? AND owner <> 0 AND endpoint = ? AND NOT event = ANY (?)"
)
_IS_ANY_TO_RESCUE = f"""
{IS_ANY_DEAD} OR EXISTS (
    SELECT 1 FROM deliveries WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas))"""  # noqa: S608 - constants only
_RESCUE = """
UPDATE deliveries SET owner = 0 WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas) RETURNING event"""
_CLAIM = """
UPDATE deliveries SET owner = ? WHERE endpoint = ? AND event IN (
    SELECT event FROM deliveries
    WHERE endpoint = ? AND event = ANY (?) AND owner = 0 AND status || '' = 'pending' AND due_at + 0 IS NOT NULL
    FOR UPDATE SKIP LOCKED)
RETURNING event"""


class Claims:
    """One dispatcher's."""

    def __init__(self, database: Database, *, rescued: Callable[[], None] = lambda: None) -> None:
        """`rescued` is called when a replica was found dead, after its claims were given back."""
        self._database = database
        self._rescued = rescued
        self._lease = Lease(database)
        self.is_shared = database.is_shared

    @property
    def owner(self) -> int:
        """The number that our claims carry, 0 where the database is not shared."""
        return self._lease.number

    @property
    def replicas(self) -> int:
        """How many dispatchers lived when it was last asked, this one among them."""
        return self._lease.replicas

    async def join(self) -> None:
        """Get a number. Raises `StorageError`."""
        await self._lease.join()

    async def leave(self) -> None:
        """Give everything back, so that the others need not wait for the end of the lease."""
        await self._lease.leave(Statement(_GIVE_BACK, (self.owner,)))

    async def run(self) -> None:
        """Renew the lease, and give back what dead replicas had claimed, until cancelled."""
        await self._lease.keep(self._renew_and_rescue, log=log)
        await asyncio.Event().wait()

    @property
    def is_valid(self) -> bool:
        """False after the lease was not renewed for too long; then nothing may be claimed or attempted."""
        return self._lease.is_valid

    def holds(self, head: Head) -> bool:
        """True while an attempt of the head may start here."""
        return head.owner == self.owner and self.is_valid

    async def claim(self, endpoint: str, heads: Sequence[Head], *, limit: int) -> list[Head]:
        """Those of the heads that are ours, after asking for the first `limit` that are nobody's.

        Raises `StorageError`.
        """
        if not self.is_shared:
            return list(heads)
        owner = self.owner
        free = [head.event for head in heads if head.owner == 0][:limit]
        claimed = set[int]()
        if free:
            statement = Statement(_CLAIM, (owner, endpoint, endpoint, free))
            claimed = {event for (event,) in (await self._database.write([statement]))[0]}
        return [
            replace(head, owner=owner) if head.event in claimed else head
            for head in heads
            if head.event in claimed or head.owner == owner
        ]

    def share_of(self, limit: int) -> int:
        """How much of a limit that all dispatchers keep together is this one's; one at least, or nothing would go."""
        return max(limit // self.replicas, 1)

    def leaves_some(self, heads: Sequence[Head], limit: int) -> bool:
        """True when `claim` would not ask for all of the heads."""
        return self.is_shared and sum(head.owner == 0 for head in heads) > limit

    async def give_back(self, endpoint: str, *, keep: Collection[int]) -> None:
        """Let the others attempt the endpoint's heads that wait here, but not the events in `keep`."""
        if not self.is_shared:
            return
        try:
            await self._database.write([Statement(_GIVE_BACK_WAITING, (self.owner, endpoint, list(keep)))])
        except StorageError as error:
            log.warning("claims.not_given_back", extra={"endpoint": endpoint, "error": str(error)})

    async def _renew_and_rescue(self) -> bool:
        await self._renew()
        await self._rescue()
        return True

    async def _renew(self) -> None:
        number, replicas = self.owner, self.replicas
        if not await self._lease.renew():
            await self.join()
            log.warning("replica.lease_lost", extra={"replica": number, "goes_on_as": self.owner})
        elif self.replicas != replicas:
            log.info("replicas.counted", extra={"replicas": self.replicas, "before": replicas})

    async def _rescue(self) -> None:
        [(is_any_dead,)] = await self._database.read(_IS_ANY_TO_RESCUE)
        if not is_any_dead:
            return
        dead, rescued = await self._database.write([BURY, Statement(_RESCUE)])
        if dead or rescued:
            facts = {"replicas": [number for (number,) in dead], "deliveries": len(rescued)}
            log.warning("replica.taken_over", extra=facts)
            self._rescued()
