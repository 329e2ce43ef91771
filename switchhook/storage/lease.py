"""A lease: one replica's right to own things of a database that it shares with others.

Theory of operation. A replica joins: a row of `replicas` with a number and the end of its lease, which it renews. What
it owns carries its number and costs no renewals of its own. A lease that ran out is never renewed: the replica, if it
still lives, joins again and gets another number. So the number is a fencing number: it is never given twice, and what
carries that of nobody alive is free. The database's clock alone is asked; a replica judges its own lease by the time
that passed since it asked, and stops a while before the others may begin. Where a database is not shared there is
nothing to ask: the lease is always valid, and its number is 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from switchhook.errors import LeaseLost, StorageError
from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from switchhook.storage.database import Database

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=6)
RENEW_EVERY: Final = timedelta(seconds=1)
STORAGE_PAUSE: Final = timedelta(milliseconds=300)
"""Between attempts while the database refuses."""
MARGIN: Final = timedelta(seconds=1)
"""So long before its lease ends a replica starts nothing more."""

# These are asked of PostgreSQL only. `replicas` has the columns number (an identity) and expires_at (microseconds
# since 1970), and is the service's own: see the migration 0003 of each service that shares.
NOW: Final = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
_LEASE = LEASE // timedelta(microseconds=1)
_LIVING = f"SELECT COUNT(*) FROM replicas AS living WHERE living.expires_at > {NOW}"  # noqa: S608 - constants
# A statement does not see the row that it adds.
_JOIN = f"""
INSERT INTO replicas (expires_at) VALUES ({NOW} + {_LEASE}) RETURNING number, ({_LIVING}) + 1"""  # noqa: S608 - constants
_RENEW = f"""
UPDATE replicas SET expires_at = {NOW} + {_LEASE} WHERE number = ? AND expires_at > {NOW}
RETURNING ({_LIVING})"""  # noqa: S608 - constants
_LEAVE = "DELETE FROM replicas WHERE number = ?"

# A row that is locked is left for later: whoever was frozen in mid-transaction must not hold up the living.
BURY: Final = Statement(f"""
DELETE FROM replicas WHERE number IN (SELECT number FROM replicas WHERE expires_at <= {NOW} FOR UPDATE SKIP LOCKED)
RETURNING number""")  # noqa: S608 - constants
"""Forgets the replicas whose lease ran out and gives their numbers; to be had in one unit with what frees their own."""
IS_ANY_DEAD: Final = f"SELECT EXISTS (SELECT 1 FROM replicas WHERE expires_at <= {NOW})"  # noqa: S608 - constants
"""True when `BURY` would find somebody: a question to ask before writing."""


class Lease:
    """One replica's.

    `number` is what it owns things by (0 where the database is not shared), `replicas` how many lived when it last
    asked, itself among them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._valid_until = 0.0  # of the event loop's clock, seconds
        self._ended = asyncio.Event()
        self.is_shared = database.is_shared
        self.number = 0
        self.replicas = 1

    @property
    def is_valid(self) -> bool:
        """False before `join`, and after the lease was not renewed for too long: nothing may be started then."""
        return not self.is_shared or asyncio.get_running_loop().time() < self._valid_until

    def demand(self) -> None:
        """Raises `LeaseLost` unless the lease is valid."""
        if not self.is_valid:
            raise LeaseLost

    async def join(self) -> int:
        """Get a number, another one at each call. Raises `StorageError`."""
        if self.is_shared:
            asked_at = asyncio.get_running_loop().time()
            [[(self.number, self.replicas)]] = await self._database.write([Statement(_JOIN)])
            self._extend(asked_at)
        return self.number

    async def renew(self) -> bool:
        """Prolong the lease (see `keep`); False when it had run out: then only `join` helps.

        Raises `StorageError`; as long as the lease `is_valid` another attempt may do.
        """
        if not self.is_shared:
            return True
        asked_at = asyncio.get_running_loop().time()
        [renewed] = await self._database.write([Statement(_RENEW, (self.number,))])
        if not renewed:
            self._end()
            return False
        [(self.replicas,)] = renewed
        self._extend(asked_at)
        return True

    async def keep(self, renew: Callable[[], Awaitable[bool]], *, log: logging.Logger) -> None:
        """Call `renew` every `RENEW_EVERY`, sooner after the database refused, until it gives False.

        Comes back at once where the database is not shared. `log` is that of the service whose lease it is.
        """
        while self.is_shared:
            pause = RENEW_EVERY
            try:
                if not await renew():
                    return
            except StorageError as error:
                log.warning("replica.unrenewed", extra={"replica": self.number, "error": str(error)})
                pause = STORAGE_PAUSE
            await asyncio.sleep(pause.total_seconds())

    async def leave(self, *farewell: Statement) -> None:
        """End the lease, so that the others need not wait for its end; `farewell` frees what was owned.

        A database that refuses is logged: the lease then runs out by itself.
        """
        if not self.is_shared:
            return
        self._end()
        try:
            await self._database.write([*farewell, Statement(_LEAVE, (self.number,))])
        except StorageError as error:
            log.warning("replica.not_left", extra={"replica": self.number, "error": str(error)})

    async def lost(self) -> None:
        """Come back when the lease is not valid any more; where the database is not shared, never."""
        if not self.is_shared:
            await asyncio.Event().wait()
        clock = asyncio.get_running_loop().time
        while (rest := self._valid_until - clock()) > 0:
            with contextlib.suppress(TimeoutError):  # then look again: it may have been renewed meanwhile
                async with asyncio.timeout(rest):
                    await self._ended.wait()

    def _extend(self, asked_at: float) -> None:
        self._valid_until = asked_at + (LEASE - MARGIN).total_seconds()
        self._ended.clear()

    def _end(self) -> None:
        self._valid_until = 0.0
        self._ended.set()
