"""Claims: which of several dispatchers on one database may attempt a delivery. Where there is only one, all of them.

Theory of operation. A replica has a number and a lease that it renews; a claim is its number in a delivery's row, so
all its claims live as long as its lease, and cost no renewals of their own. A lease that ran out is never renewed: its
claims are given back by whoever sees it, and the replica, if it still lives, comes back under a new number. So the
number is a fencing number: a settlement counts only where the row still has it. The database's clock alone is asked;
a replica judges its own lease by the time that passed since it asked. Each renewal also tells how many replicas there
are, by which limits that are meant for all of them are divided.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from services.dispatcher.deliveries import Head
    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=6)
RENEW_EVERY = timedelta(seconds=1)
STORAGE_PAUSE = timedelta(milliseconds=300)
# An attempt must not start when its lease is about to end.
MARGIN = timedelta(seconds=1)

# These are asked of PostgreSQL only.
_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
_LEASE = LEASE // timedelta(microseconds=1)
_LIVING = f"SELECT COUNT(*) FROM replicas AS living WHERE living.expires_at > {_NOW}"  # noqa: S608 - constants
# A statement does not see the row that it adds.
_JOIN = f"""
INSERT INTO replicas (expires_at) VALUES ({_NOW} + {_LEASE}) RETURNING number, ({_LIVING}) + 1"""  # noqa: S608 - constants
_RENEW = f"""
UPDATE replicas SET expires_at = {_NOW} + {_LEASE} WHERE number = ? AND expires_at > {_NOW}
RETURNING ({_LIVING})"""  # noqa: S608 - constants
_LEAVE = "DELETE FROM replicas WHERE number = ?"
_GIVE_BACK = "UPDATE deliveries SET owner = 0 WHERE owner = ? AND owner <> 0"
_GIVE_BACK_WAITING = (
    "UPDATE deliveries SET owner = 0 WHERE owner = ? AND owner <> 0 AND endpoint = ? AND NOT event = ANY (?)"
)
_IS_ANY_DEAD = f"""
SELECT EXISTS (SELECT 1 FROM replicas WHERE expires_at <= {_NOW}) OR EXISTS (
    SELECT 1 FROM deliveries WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas))"""  # noqa: S608 - constants only
_BURY = f"DELETE FROM replicas WHERE expires_at <= {_NOW} RETURNING number"  # noqa: S608 - constants
_RESCUE = """
UPDATE deliveries SET owner = 0 WHERE owner <> 0 AND owner NOT IN (SELECT number FROM replicas) RETURNING event"""
_CLAIM = """
UPDATE deliveries SET owner = ? WHERE endpoint = ? AND event IN (
    SELECT event FROM deliveries
    WHERE endpoint = ? AND event = ANY (?) AND owner = 0 AND status || '' = 'pending' AND due_at + 0 IS NOT NULL
    FOR UPDATE SKIP LOCKED)
RETURNING event"""


class Claims:
    """One dispatcher's. `owner` is the number that its claims carry, 0 where the database is not shared.

    `replicas` is how many dispatchers lived when it last asked, itself among them.
    """

    def __init__(self, database: Database, *, rescued: Callable[[], None] = lambda: None) -> None:
        """`rescued` is called when a replica was found dead, after its claims were given back."""
        self._database = database
        self._rescued = rescued
        self._valid_until = 0.0
        self.is_shared = database.is_shared
        self.owner = 0
        self.replicas = 1

    async def join(self) -> None:
        """Get a number. Raises `StorageError`."""
        if not self.is_shared:
            return
        asked_at = asyncio.get_running_loop().time()
        [[(self.owner, self.replicas)]] = await self._database.write([Statement(_JOIN)])
        self._extend(asked_at)

    async def leave(self) -> None:
        """Give everything back, so that the others need not wait for the end of the lease."""
        if not self.is_shared:
            return
        owner, self._valid_until = self.owner, 0.0
        try:
            await self._database.write([Statement(_GIVE_BACK, (owner,)), Statement(_LEAVE, (owner,))])
        except StorageError as error:
            log.warning("replica.not_left", extra={"replica": owner, "error": str(error)})

    async def run(self) -> None:
        """Renew the lease, and give back what dead replicas had claimed, until cancelled."""
        while self.is_shared:
            pause = RENEW_EVERY
            try:
                await self._renew()
                await self._rescue()
            except StorageError as error:
                log.warning("replica.unrenewed", extra={"replica": self.owner, "error": str(error)})
                pause = STORAGE_PAUSE
            await asyncio.sleep(pause.total_seconds())
        await asyncio.Event().wait()

    @property
    def is_valid(self) -> bool:
        """False after the lease was not renewed for too long; then nothing may be claimed or attempted."""
        return not self.is_shared or asyncio.get_running_loop().time() < self._valid_until

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

    async def _renew(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        [renewed] = await self._database.write([Statement(_RENEW, (self.owner,))])
        if renewed:
            self._extend(asked_at)
            self._count(*renewed[0])
            return
        lost = self.owner
        await self.join()
        log.warning("replica.lease_lost", extra={"replica": lost, "goes_on_as": self.owner})

    def _count(self, replicas: int) -> None:
        if replicas != self.replicas:
            log.info("replicas.counted", extra={"replicas": replicas, "before": self.replicas})
        self.replicas = replicas

    async def _rescue(self) -> None:
        [(is_any_dead,)] = await self._database.read(_IS_ANY_DEAD)
        if not is_any_dead:
            return
        dead, rescued = await self._database.write([Statement(_BURY), Statement(_RESCUE)])
        if dead or rescued:
            facts = {"replicas": [number for (number,) in dead], "deliveries": len(rescued)}
            log.warning("replica.taken_over", extra=facts)
            self._rescued()

    def _extend(self, asked_at: float) -> None:
        self._valid_until = asked_at + (LEASE - MARGIN).total_seconds()
