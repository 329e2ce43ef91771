"""The table of owners: which of several replicas on one database watches which PBX. Asked of PostgreSQL only.

Every change is made by whoever gains or gives, under the condition that the row still is what was seen. A row that is
locked is left for the next look: whoever was frozen in mid-transaction must not hold up the living.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from switchhook.storage.database import Statement
from switchhook.storage.lease import BURY, NOW
from switchhook.storage.sharing import Ownership

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from switchhook.storage.database import Database
    from switchhook.storage.lease import Lease

log = logging.getLogger(__name__)

# `replicas` and `pbx_owners` are the service's own: see the migration 0003 of the monitor or of the recorder.
_ENROL = "INSERT INTO pbx_owners (pbx) VALUES (?) ON CONFLICT DO NOTHING"
_TABLE = "SELECT pbx, owner, wanted_by FROM pbx_owners ORDER BY pbx"
_REPLICAS = f"SELECT number, expires_at > {NOW} FROM replicas"  # noqa: S608 - constants
_CLAIM = f"""
UPDATE pbx_owners SET owner = ?, wanted_by = 0
WHERE pbx IN (
    SELECT pbx FROM pbx_owners
    WHERE pbx = ANY (?) AND owner NOT IN (SELECT number FROM replicas) FOR UPDATE SKIP LOCKED)
AND EXISTS (SELECT 1 FROM replicas WHERE number = ? AND expires_at > {NOW})
RETURNING pbx"""  # noqa: S608 - constants
_ASK = """
UPDATE pbx_owners SET wanted_by = ?
WHERE pbx IN (
    SELECT pbx FROM pbx_owners
    WHERE pbx = ANY (?) AND wanted_by NOT IN (SELECT number FROM replicas) FOR UPDATE SKIP LOCKED)"""
_HAND_OVER = """
UPDATE pbx_owners SET owner = wanted_by, wanted_by = 0
WHERE pbx = ? AND owner = ? AND wanted_by IN (SELECT number FROM replicas)"""
_FREE = "UPDATE pbx_owners SET owner = 0 WHERE owner = ?"


class Owners:
    """One replica's view of the table, and what it does to it by the number of its lease. Raises `StorageError`."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease

    async def enrol(self, pbxs: Collection[str]) -> None:
        """Give each PBX its row."""
        await self._database.write([Statement(_ENROL, (pbx,)) for pbx in sorted(pbxs)])

    async def look(self) -> tuple[list[Ownership], set[int]]:
        """All rows, and the numbers of the replicas that live; the others are buried."""
        replicas = await self._database.read(_REPLICAS)
        if not all(is_living for _, is_living in replicas):
            [buried] = await self._database.write([BURY])
            if buried:
                facts = {"replicas": [number for (number,) in buried], "by": self._lease.number}
                log.warning("replica.buried", extra=facts)
        table = [Ownership(*row) for row in await self._database.read(_TABLE)]
        return table, {number for number, is_living in replicas if is_living}

    async def claim(self, pbxs: Sequence[str]) -> list[str]:
        """Those of the PBXs that are ours now."""
        number = self._lease.number
        [claimed] = await self._database.write([Statement(_CLAIM, (number, list(pbxs), number))])
        return [pbx for (pbx,) in claimed]

    async def ask(self, pbxs: Sequence[str]) -> None:
        """Let the owners of the PBXs know that we want them."""
        await self._database.write([Statement(_ASK, (self._lease.number, list(pbxs)))])

    async def hand_over(self, pbx: str) -> None:
        """Make whoever asks for it the owner; nothing must be done for the PBX any more."""
        await self._database.write([Statement(_HAND_OVER, (pbx, self._lease.number))])

    def farewell(self) -> Statement:
        """Frees everything that is ours."""
        return Statement(_FREE, (self._lease.number,))
