"""The kept recordings as an operator asks for them: lists, sums, and legal holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.recorder.kept_files import KeptFile
from services.recorder.selection import Place, cursor_text, invalid
from switchhook.errors import AdminRefused
from switchhook.links import RecordingName
from switchhook.storage import Statement
from switchhook.storage.times import micros, moment, stored_length

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from services.recorder.selection import Selection
    from switchhook.storage import Database, Row

_HELD = "EXISTS (SELECT 1 FROM holds WHERE holds.pbx = files.pbx AND holds.call_id = files.call_id)"
_LIST = f"""
SELECT pbx, call_id, link, number, size, kept_at, duration, channels, expires_at, deleted_at, gone, {_HELD},
    (SELECT "user" FROM jobs WHERE jobs.pbx = files.pbx AND jobs.call_id = files.call_id AND jobs.link = files.link)
FROM files WHERE {{}}
ORDER BY kept_at DESC, pbx DESC, call_id DESC, link DESC, number DESC LIMIT ?"""  # noqa: S608 - constants; the conditions have question marks
_EXPIRED = f"""
SELECT {_HELD}, count(*), coalesce(sum(size), 0) FROM files WHERE deleted_at IS NULL AND expires_at <= ?
GROUP BY 1"""  # noqa: S608 - constants
_HOLD = "INSERT INTO holds (pbx, call_id, held_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_RELEASE = "DELETE FROM holds WHERE pbx = ? AND call_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A file and what is known of it; `deleted_at` is None while it is there."""

    file: KeptFile
    user: str
    duration: timedelta
    channels: int
    expires_at: datetime
    deleted_at: datetime | None
    gone: str
    is_held: bool

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return (micros(self.file.kept_at), *self.file.place)


@dataclass(frozen=True, slots=True)
class CallName:
    """One call of one PBX."""

    pbx: str
    call_id: str


class RecordingLog:
    """Every method raises `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, selection: Selection) -> list[Logged]:
        """The newest first, at most `selection.limit`."""
        conditions, parameters = ["1 = 1"], list[object]()
        for condition, value in _conditions(selection):
            conditions.append(condition)
            parameters += value
        sql = _LIST.format(" AND ".join(conditions))
        return [_logged(row) for row in await self._database.read(sql, (*parameters, selection.limit))]

    async def expired(self, now: datetime) -> tuple[int, int, int]:
        """What a purge would delete now: files and their bytes; and how many are held. Reads what expired only."""
        rows = await self._database.read(_EXPIRED, (micros(now),))
        sums = {bool(is_held): (int(files), int(size)) for is_held, files, size in rows}
        return (*sums.get(False, (0, 0)), sums.get(True, (0, 0))[0])

    async def only_call(self, pbx: str, call_id: str) -> CallName:
        """The call of that id; without a PBX, of the only one that has it. Raises `AdminRefused`."""
        if not call_id:
            raise invalid("call: is missing")
        if pbx:
            return CallName(pbx, call_id)
        rows = await self._database.read("SELECT DISTINCT pbx FROM files WHERE call_id = ?", (call_id,))
        if not rows:
            raise AdminRefused(
                404, "unknown_call", f"call {call_id}: has no recording here: write PBX/ID to hold it anyway"
            )
        if len(rows) > 1:
            raise invalid(f"call: {call_id} is on several PBXs: write PBX/ID")
        return CallName(str(rows[0][0]), call_id)

    async def hold(self, call: CallName, *, at: datetime) -> int:
        """Delete none of the call's recordings until it is released; gives how many there are."""
        await self._database.write([Statement(_HOLD, (call.pbx, call.call_id, micros(at)))])
        return await self._count(call)

    async def release(self, call: CallName) -> int:
        """Let retention have the call's recordings again; gives how many there are."""
        await self._database.write([Statement(_RELEASE, (call.pbx, call.call_id))])
        return await self._count(call)

    async def _count(self, call: CallName) -> int:
        sql = "SELECT count(*) FROM files WHERE pbx = ? AND call_id = ? AND deleted_at IS NULL"
        return int((await self._database.read(sql, (call.pbx, call.call_id)))[0][0])


def recording_document(logged: Logged) -> dict[str, Any]:
    """A file as the admin API shows it; without any telephone number."""
    return {
        "recording": str(logged.file.name),
        "pbx": logged.file.pbx,
        "call": logged.file.name.call_id,
        "link": logged.file.name.link,
        "user": logged.user,
        "seconds": logged.duration.total_seconds(),
        "bytes": logged.file.size,
        "channels": logged.channels,
        "kept_at": logged.file.kept_at.isoformat(),
        "expires_at": logged.expires_at.isoformat(),
        "deleted_at": None if logged.deleted_at is None else logged.deleted_at.isoformat(),
        "gone": logged.gone,
        "held": logged.is_held,
    }


def next_cursor(page: list[Logged], limit: int) -> str | None:
    """Where the next page begins; None after the last one."""
    return cursor_text(page[-1].place) if len(page) == limit else None


def _conditions(selection: Selection) -> list[tuple[str, tuple[object, ...]]]:
    conditions: list[tuple[str, tuple[object, ...]]] = []
    if not selection.is_gone:
        conditions.append(("deleted_at IS NULL", ()))
    if selection.pbx:
        conditions.append(("pbx = ?", (selection.pbx,)))
    if selection.call_id:
        conditions.append(("call_id = ?", (selection.call_id,)))
    if selection.since is not None:
        conditions.append(("kept_at >= ?", (micros(selection.since),)))
    if selection.until is not None:
        conditions.append(("kept_at <= ?", (micros(selection.until),)))
    if selection.after is not None:
        conditions.append(("(kept_at, pbx, call_id, link, number) < (?, ?, ?, ?, ?)", selection.after))
    return conditions


def _logged(row: Row) -> Logged:
    pbx, call_id, link, number, size, kept_at, duration, channels, expires_at, deleted_at, gone, held, user = row
    return Logged(
        file=KeptFile(pbx, RecordingName(call_id, link, number), size, moment(kept_at)),
        user=user or "",
        duration=stored_length(duration),
        channels=channels,
        expires_at=moment(expires_at),
        deleted_at=None if deleted_at is None else moment(deleted_at),
        gone=gone,
        is_held=bool(held),
    )
