"""The one live token of the recorders' own API client of a PBX, in the database that they share.

A file would need a folder in common, which pods have not. The token lives for an hour at most, and whoever can read it
can read all calls anyway. Who asks the PBX for a new one holds the row meanwhile, as long as its lease lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import TYPE_CHECKING

from switchhook.errors import PbxUnreachable, StorageError
from switchhook.pbx import Token
from switchhook.storage import Statement
from switchhook.storage.lease import NOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.recorder.fence import Fence
    from switchhook.storage import Database

log = logging.getLogger(__name__)

_LOCK_TIMEOUT = 60.0  # seconds; a holder needs two requests' time at most
_LOCK_PAUSE = 0.1

_ENROL = "INSERT INTO tokens (pbx) VALUES (?) ON CONFLICT DO NOTHING"
_LOCK = f"""
UPDATE tokens SET asked_by = ? WHERE pbx = ?
AND asked_by NOT IN (SELECT number FROM replicas WHERE expires_at > {NOW} AND number <> ?) RETURNING pbx"""  # noqa: S608 - constants
_UNLOCK = "UPDATE tokens SET asked_by = 0 WHERE pbx = ? AND asked_by = ?"
_READ = "SELECT token, obtained_at, expires_at FROM tokens WHERE pbx = ? AND client = ?"
_WRITE = "UPDATE tokens SET client = ?, token = ?, obtained_at = ?, expires_at = ? WHERE pbx = ? AND asked_by = ?"


class TokenTable:
    """The token of one PBX; a `TokenPlace`."""

    def __init__(self, database: Database, pbx: str, *, client: str, fence: Fence) -> None:
        """`client` names PBX and API client: what was written for another is not believed."""
        self._database = database
        self._pbx = pbx
        self._client = client
        self._fence = fence

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Keep the other recorders from asking for a token meanwhile.

        Raises `StorageError`, and `PbxUnreachable` when others take too long.
        """
        number = self._fence.number
        await self._database.write([Statement(_ENROL, (self._pbx,))])
        try:
            async with asyncio.timeout(_LOCK_TIMEOUT):
                while True:
                    if await self._is_taken(number):
                        break
                    await asyncio.sleep(_LOCK_PAUSE)
        except TimeoutError as error:
            raise PbxUnreachable("another recorder has been asking the PBX for a token for too long") from error
        try:
            yield
        finally:
            with contextlib.suppress(StorageError):  # then it is held until the lease ends
                await self._database.write([Statement(_UNLOCK, (self._pbx, number))])

    async def _is_taken(self, number: int) -> bool:
        [rows] = await self._database.write([Statement(_LOCK, (number, self._pbx, number))])
        return bool(rows)

    async def read(self) -> Token | None:
        """The token that was written last; None when there is none for this client."""
        rows = await self._database.read(_READ, (self._pbx, self._client))
        if not rows:
            return None
        value, obtained_at, expires_at = rows[0]
        return Token(
            value=value,
            obtained_at=datetime.fromisoformat(obtained_at),
            expires_at=datetime.fromisoformat(expires_at),
        )

    async def write(self, token: Token) -> None:
        """Let the others have it. A failure is logged: they will ask for theirs."""
        times = token.obtained_at.isoformat(), token.expires_at.isoformat()
        statement = Statement(_WRITE, (self._client, token.value, *times, self._pbx, self._fence.number))
        try:
            await self._database.write([statement])
        except StorageError as error:
            log.warning("pbx.token_not_shared", extra={"pbx": self._pbx, "reason": str(error)})
