"""The fileserver's tables: revocations, which every replica must know, and listens, which are written and forgotten.

Times are microseconds since 1970 in the tables, aware datetimes outside. Everything raises `StorageError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.fileserver.revocations import Revocation
from switchhook.storage.database import Statement
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from switchhook.storage.database import Database

_COLUMNS = "at, pbx, call, recording, recipient, address, status, bytes, complete"
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS = 20  # in one INSERT; one row at a time for the rest, so that there are two texts only
_FORGET = """
DELETE FROM listens WHERE number IN (SELECT number FROM listens WHERE at < ? ORDER BY at LIMIT ?) RETURNING number"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """One download: `sent` counts bytes of the recording, `is_complete` says that they are all that was asked for."""

    at: datetime
    pbx: str
    call: str
    recording: str
    recipient: str
    address: str
    status: int
    sent: int
    is_complete: bool


class Register:
    """Reads and writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revocations(self) -> list[Revocation]:
        """All of them, the oldest first."""
        rows = await self._database.read(
            "SELECT id, made_at, recipient, pbx, call, since, until FROM revocations ORDER BY made_at, id"
        )
        return [
            Revocation(
                id=key,
                made_at=moment(made_at),
                recipient=recipient,
                pbx=pbx,
                call=call,
                since=None if since is None else moment(since),
                until=None if until is None else moment(until),
            )
            for key, made_at, recipient, pbx, call, since, until in rows
        ]

    async def revoke(self, revocation: Revocation) -> None:
        """Durable when it returns."""
        since, until = (None if at is None else micros(at) for at in (revocation.since, revocation.until))
        values = (revocation.id, micros(revocation.made_at), revocation.recipient, revocation.pbx, revocation.call)
        sql = "INSERT INTO revocations (id, made_at, recipient, pbx, call, since, until) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._database.write([Statement(sql, (*values, since, until))])

    async def restore(self, revocation_id: str) -> bool:
        """Takes a revocation back; False when there is none of that id."""
        [rows] = await self._database.write(
            [Statement("DELETE FROM revocations WHERE id = ? RETURNING id", (revocation_id,))]
        )
        return bool(rows)

    async def note(self, listens: Sequence[Listen]) -> None:
        """Keeps them."""
        whole = len(listens) - len(listens) % _ROWS
        unit = [_insert(listens[start : start + _ROWS]) for start in range(0, whole, _ROWS)]
        unit += [_insert([listen]) for listen in listens[whole:]]
        await self._database.write(unit)

    async def listens(self, *, call: str, recipient: str, since: datetime, limit: int) -> list[Listen]:
        """The newest first; an empty text stands for all."""
        rows = await self._database.read(
            f"SELECT {_COLUMNS} FROM listens WHERE at >= ? AND (? = '' OR call = ?) AND (? = '' OR recipient = ?)"  # noqa: S608 - constants
            " ORDER BY at DESC, number DESC LIMIT ?",
            (micros(since), call, call, recipient, recipient, limit),
        )
        return [
            Listen(
                at=moment(at),
                pbx=pbx,
                call=of_call,
                recording=recording,
                recipient=to,
                address=address,
                status=status,
                sent=sent,
                is_complete=bool(complete),
            )
            for at, pbx, of_call, recording, to, address, status, sent, complete in rows
        ]

    async def forget_listens(self, *, before: datetime, limit: int) -> bool:
        """Removes at most so many that are older; True when there may be more."""
        [rows] = await self._database.write([Statement(_FORGET, (micros(before), limit))])
        return len(rows) == limit


def _insert(listens: Sequence[Listen]) -> Statement:
    rows = ", ".join([_ROW] * len(listens))
    values = [value for listen in listens for value in _values(listen)]
    return Statement(f"INSERT INTO listens ({_COLUMNS}) VALUES {rows}", values)  # noqa: S608 - constants


def _values(listen: Listen) -> tuple[object, ...]:
    return (
        micros(listen.at),
        listen.pbx,
        listen.call,
        listen.recording,
        listen.recipient,
        listen.address,
        listen.status,
        listen.sent,
        int(listen.is_complete),
    )
