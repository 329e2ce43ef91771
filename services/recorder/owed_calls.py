"""Reads the calls that are owed from their tables: what is settled of each, what is found, and what is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.recorder.jobs import Absent, Failed, Ready, Reason, pending_call
from services.recorder.matching import LinkKey
from switchhook.rpc import decode
from switchhook.storage.times import moment

if TYPE_CHECKING:
    from services.recorder.jobs import Outcome, PendingCall
    from services.recorder.kept_files import KeptFiles
    from switchhook.storage import Database, Row

COLUMNS = "pbx, call_id, accepted_at, payload, is_matched"
"""Of `calls`: what `restored` takes."""

_LOOKED_FOR = (
    f"SELECT {COLUMNS} FROM calls WHERE (pbx, call_id) IN"  # noqa: S608 - a constant
    " (SELECT pbx, call_id FROM jobs WHERE pbx = ? AND told_at IS NULL AND status = 'waiting' AND listed = '')"
    " ORDER BY accepted_at"
)
_ONE = f"SELECT {COLUMNS} FROM calls WHERE pbx = ? AND call_id = ?"  # noqa: S608 - a constant
_LINKS = "SELECT link, status, reason, told_at, listed <> '' FROM jobs WHERE pbx = ? AND call_id = ?"


class OwedCalls:
    """Every method raises `StorageError`."""

    def __init__(self, database: Database, kept: KeptFiles) -> None:
        self._database = database
        self._kept = kept

    async def looked_for(self, pbx: str) -> list[PendingCall]:
        """The calls with a link of which nothing was found yet, the oldest first."""
        return [await self.restored(row) for row in await self._database.read(_LOOKED_FOR, (pbx,))]

    async def one(self, pbx: str, call_id: str) -> PendingCall | None:
        """That call; None when it is not known."""
        rows = await self._database.read(_ONE, (pbx, call_id))
        return await self.restored(rows[0]) if rows else None

    async def restored(self, row: Row) -> PendingCall:
        """The call of a row with `COLUMNS`, with what has become of its links."""
        pbx, call_id, accepted_at, payload, is_matched = row
        call = pending_call(decode(payload), accepted_at=moment(accepted_at))
        call.is_matched = bool(is_matched)
        for link, status, reason, told_at, is_listed in await self._database.read(_LINKS, (pbx, call_id)):
            if status != "waiting":
                call.outcomes[link] = await self._outcome(LinkKey(pbx, call_id, link), status=status, reason=reason)
            elif is_listed:
                call.found.add(link)
            if told_at is not None:
                call.told += 1
                call.told_at = max(moment(told_at), call.told_at or moment(told_at))
        return call

    async def _outcome(self, key: LinkKey, *, status: str, reason: str) -> Outcome:
        match status:
            case "ready":
                return Ready(await self._kept.of_link(key))
            case "absent":
                return Absent(Reason(reason))
            case _:
                return Failed(Reason(reason))
