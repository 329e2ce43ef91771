"""The table of MP3 files: what is stored for whom, until when, what is held, and what was stored for nobody.

A row is never removed together with its file: it stays as long as somebody may still try the file's link.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from switchhook.events import CallId, RecordingFile
from switchhook.links import RecordingName, recording_path
from switchhook.storage import Statement
from switchhook.storage.times import length_micros, micros, moment, stored_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.recorder.matching import LinkKey
    from switchhook.objects import GoneReason
    from switchhook.storage import Database, Row

REMEMBERED = timedelta(days=365)
"""How long it is known of a deleted file that it is gone."""

_PLACE = "pbx = ? AND call_id = ? AND link = ? AND number = ?"
_INSERT = (
    "INSERT INTO files (pbx, call_id, link, number, duration, size, sha256, channels, expires_at, kept_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_BEGIN = "INSERT INTO uploads (pbx, call_id, link, number) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_END = f"DELETE FROM uploads WHERE {_PLACE}"  # noqa: S608 - constants
_OF_LINK = (
    "SELECT number, duration, size, sha256, channels FROM files WHERE pbx = ? AND call_id = ? AND link = ?"
    " ORDER BY number"
)
_IS_FREE = (
    "deleted_at IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM holds WHERE holds.pbx = files.pbx AND holds.call_id = files.call_id)"
)
_KEPT = "SELECT pbx, call_id, link, number, size, kept_at FROM files"
_EXPIRED = f"{_KEPT} WHERE {_IS_FREE} AND expires_at <= ? ORDER BY expires_at LIMIT ?"
_OLDEST = f"{_KEPT} WHERE {_IS_FREE} ORDER BY kept_at LIMIT ?"
_FREE = f"SELECT 1 FROM files WHERE {_PLACE} AND {_IS_FREE}"  # noqa: S608 - constants
_DELETED = f"UPDATE files SET deleted_at = ?, gone = ? WHERE {_PLACE}"  # noqa: S608 - constants
_FORGOTTEN = f"{_KEPT} WHERE deleted_at IS NOT NULL AND deleted_at <= ? AND expires_at <= ? LIMIT ?"
# A link that still waits may store over what is there; what is left of any other belongs to nobody, but for what has a
# row: a recorder that was frozen may have begun to store, under the same name, what another one told meanwhile.
_LEFTOVERS = (
    "SELECT pbx, call_id, link, number FROM uploads WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pbx = uploads.pbx"
    " AND jobs.call_id = uploads.call_id AND jobs.link = uploads.link AND status = 'waiting')"
    " AND NOT EXISTS (SELECT 1 FROM files WHERE files.pbx = uploads.pbx AND files.call_id = uploads.call_id"
    " AND files.link = uploads.link AND files.number = uploads.number) LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """An MP3 in the storage; `kept_at` is when it was stored."""

    pbx: str
    name: RecordingName
    size: int
    kept_at: datetime

    @property
    def place(self) -> tuple[str, str, int, int]:
        """Its key in the tables."""
        return self.pbx, self.name.call_id, self.name.link, self.name.index


class KeptFiles:
    """Reads and writes; all raise `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._total: int | None = None  # bytes, once counted; then it is kept up by whoever stores and deletes here

    async def begin_upload(self, pbx: str, name: RecordingName) -> None:
        """A file is about to be stored; known before it is there, so that none is ever stored for nobody."""
        await self._database.write([Statement(_BEGIN, (pbx, name.call_id, name.link, name.index))])

    async def of_link(self, key: LinkKey) -> tuple[RecordingFile, ...]:
        """The files of a settled link."""
        rows = await self._database.read(_OF_LINK, tuple(key))
        return tuple(_file(key.call_id, key.link, row) for row in rows)

    async def expired(self, *, now: datetime, limit: int) -> list[KeptFile]:
        """Files whose retention is over and that nobody holds, the longest expired first."""
        return [_kept(row) for row in await self._database.read(_EXPIRED, (micros(now), limit))]

    async def oldest(self, *, limit: int) -> list[KeptFile]:
        """Files that nobody holds, the oldest first."""
        return [_kept(row) for row in await self._database.read(_OLDEST, (limit,))]

    async def is_free(self, file: KeptFile) -> bool:
        """True while it is there and nobody holds it."""
        return bool(await self._database.read(_FREE, file.place))

    async def total(self) -> int:
        """Bytes of all files: counted once, then kept up; each time where others store too."""
        if self._total is None or self._database.is_shared:
            sql = "SELECT coalesce(sum(size), 0) FROM files WHERE deleted_at IS NULL"
            self._total = int((await self._database.read(sql))[0][0])
        return self._total

    def recount(self) -> None:
        """Count again when next asked: others may have stored or deleted too."""
        self._total = None

    def stored(self, files: Sequence[RecordingFile]) -> None:
        """The files were kept."""
        if self._total is not None:
            self._total += sum(file.size for file in files)

    async def deleted(self, files: Sequence[KeptFile], *, at: datetime, reason: GoneReason) -> None:
        """The files are deleted."""
        await self._database.write([Statement(_DELETED, (micros(at), reason.value, *file.place)) for file in files])
        if self._total is not None:
            self._total -= sum(file.size for file in files)

    async def forgettable(self, *, now: datetime, limit: int) -> list[KeptFile]:
        """Files that were deleted so long ago that no link to them is tried any more."""
        rows = await self._database.read(_FORGOTTEN, (micros(now - REMEMBERED), micros(now), limit))
        return [_kept(row) for row in rows]

    async def forget(self, files: Sequence[KeptFile]) -> None:
        """Drop their rows."""
        await self._database.write([Statement(f"DELETE FROM files WHERE {_PLACE}", file.place) for file in files])  # noqa: S608 - a constant

    async def leftovers(self, *, limit: int) -> list[tuple[str, RecordingName]]:
        """What was stored, or was about to be, for a link that ended otherwise."""
        rows = await self._database.read(_LEFTOVERS, (limit,))
        return [(pbx, RecordingName(call, link, number)) for pbx, call, link, number in rows]

    async def drop_leftover(self, pbx: str, name: RecordingName) -> None:
        """It is removed from the storage."""
        await self._database.write([Statement(_END, (pbx, name.call_id, name.link, name.index))])

    async def last_purge(self) -> datetime | None:
        """When the last purge was finished."""
        rows = await self._database.read("SELECT finished_at FROM purges WHERE name = 'daily'")
        return moment(rows[0][0]) if rows else None

    async def purged(self, *, at: datetime) -> None:
        """A purge was finished."""
        sql = (
            "INSERT INTO purges VALUES ('daily', ?) ON CONFLICT (name) DO UPDATE SET finished_at = excluded.finished_at"
        )
        await self._database.write([Statement(sql, (micros(at),))])


def keeping(key: LinkKey, files: Sequence[RecordingFile], *, at: datetime, expires_at: datetime) -> list[Statement]:
    """The files of a link are stored; belongs into the unit that settles it."""
    unit = []
    for file in files:
        measures = (length_micros(file.duration), file.size, file.sha256, file.channels)
        unit.append(Statement(_INSERT, (*key, file.index, *measures, micros(expires_at), micros(at))))
        unit.append(Statement(_END, (*key, file.index)))
    return unit


def _file(call_id: CallId, link: int, row: Row) -> RecordingFile:
    number, duration, size, sha256, channels = row
    return RecordingFile(
        index=number,
        path=recording_path(call_id, link, number),
        duration=stored_length(duration),
        size=size,
        sha256=sha256,
        channels=channels,
    )


def _kept(row: Row) -> KeptFile:
    pbx, call_id, link, number, size, kept_at = row
    return KeptFile(pbx, RecordingName(call_id, link, number), size, moment(kept_at))
