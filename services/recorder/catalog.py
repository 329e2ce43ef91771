"""The recorder's tables: calls whose recordings are owed, their jobs, the MP3 files, and how far each PBX was read.

Writes are given as statements, so that what belongs together is committed in one unit by whoever knows that it does.
Every statement may be repeated: what is settled stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from services.recorder.jobs import Absent, Failed, Ready, Reason, pending_call
from switchhook.events import CallId, RecordingFile
from switchhook.links import RecordingName, recording_path
from switchhook.rpc import decode
from switchhook.storage import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.recorder.jobs import Due, Outcome, PendingCall
    from services.recorder.matching import LinkKey
    from switchhook.events import Event
    from switchhook.rpc import Received
    from switchhook.storage import Database, Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_INSERT_CALL = (
    "INSERT INTO calls (pbx, call_id, event_id, accepted_at, payload) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING RETURNING call_id"
)
_INSERT_JOB = 'INSERT INTO jobs (pbx, call_id, link, "user") VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'
_SETTLE_JOB = (
    "UPDATE jobs SET status = ?, reason = ?, settled_at = ?"
    " WHERE pbx = ? AND call_id = ? AND link = ? AND status = 'waiting'"
)
_TELL_JOB = "UPDATE jobs SET told_at = ? WHERE pbx = ? AND call_id = ? AND link = ? AND told_at IS NULL"
_INSERT_FILE = (
    "INSERT INTO files (pbx, call_id, link, number, duration, size, sha256, channels, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_COUNT_ATTEMPT = "UPDATE jobs SET attempts = attempts + 1 WHERE pbx = ? AND call_id = ? AND link = ?"
_UNFINISHED = (
    "SELECT pbx, call_id, accepted_at, payload FROM calls WHERE EXISTS"
    " (SELECT 1 FROM jobs WHERE jobs.pbx = calls.pbx AND jobs.call_id = calls.call_id AND told_at IS NULL)"
    " ORDER BY accepted_at"
)
_SETTLED_JOBS = "SELECT link, status, reason, told_at FROM jobs WHERE pbx = ? AND call_id = ? AND status != 'waiting'"
_FILES = (
    "SELECT number, duration, size, sha256, channels FROM files WHERE pbx = ? AND call_id = ? AND link = ?"
    " ORDER BY number"
)
_EXPIRED = (
    "SELECT pbx, call_id, link, number FROM files WHERE deleted_at IS NULL AND expires_at <= ?"
    " ORDER BY expires_at LIMIT ?"
)
_FORGET_FILE = "UPDATE files SET deleted_at = ? WHERE pbx = ? AND call_id = ? AND link = ? AND number = ?"
# What is left of a call goes when its age is past and nothing of it is owed or stored any more.
_OLD_CALLS = (
    "accepted_at <= ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pbx = calls.pbx AND jobs.call_id = calls.call_id"
    " AND told_at IS NULL) AND NOT EXISTS (SELECT 1 FROM files WHERE files.pbx = calls.pbx"
    " AND files.call_id = calls.call_id AND deleted_at IS NULL)"
)
_DROP_ORPHANS = (
    "DELETE FROM {} WHERE NOT EXISTS (SELECT 1 FROM calls WHERE calls.pbx = {}.pbx AND calls.call_id = {}.call_id)"
)


@dataclass(frozen=True, slots=True)
class ExpiredFile:
    """An MP3 whose retention is over."""

    pbx: str
    name: RecordingName


class Catalog:
    """Reads and statements; see the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, finals: Sequence[Received], *, at: datetime) -> list[PendingCall]:
        """Owe the recordings of the calls that these final end events tell of; gives those that are new, once kept."""
        unit: list[Statement] = []
        places = []
        for received in finals:
            event = received.event
            places.append(len(unit))
            unit.append(
                Statement(_INSERT_CALL, (event.pbx, event.call.id, event.id, _microseconds(at), received.payload))
            )
            unit += [
                Statement(_INSERT_JOB, (event.pbx, event.call.id, link.number, link.user)) for link in event.call.links
            ]
        rows = await self._database.write(unit)
        return [
            pending_call(received.event, accepted_at=at)
            for received, place in zip(finals, places, strict=True)
            if rows[place]
        ]

    async def unfinished(self) -> list[PendingCall]:
        """Every call of which something is still to be told, oldest first, with what is settled already."""
        calls = []
        for pbx, call_id, accepted_at, payload in await self._database.read(_UNFINISHED):
            call = pending_call(decode(payload), accepted_at=_moment(accepted_at))
            for link, status, reason, told_at in await self._database.read(_SETTLED_JOBS, (pbx, call_id)):
                call.outcomes[link] = await self._outcome(call, link, status=status, reason=reason)
                call.told += told_at is not None
            calls.append(call)
        return calls

    async def final_event(self, call: PendingCall) -> Event:
        """The final end event of a call that is owed."""
        rows = await self._database.read(
            "SELECT payload FROM calls WHERE pbx = ? AND call_id = ?", (call.pbx, call.call_id)
        )
        return decode(rows[0][0])

    async def attempts(self, key: LinkKey) -> int:
        """How many conversions of the link failed."""
        rows = await self._database.read(
            "SELECT attempts FROM jobs WHERE pbx = ? AND call_id = ? AND link = ?", tuple(key)
        )
        return int(rows[0][0]) if rows else 0

    async def count_attempt(self, key: LinkKey) -> None:
        """One more conversion of the link failed."""
        await self._database.write([Statement(_COUNT_ATTEMPT, tuple(key))])

    async def cursor(self, pbx: str) -> int | None:
        """The highest id of the PBX's list that was read; None before the first."""
        rows = await self._database.read("SELECT last_id FROM cursors WHERE pbx = ?", (pbx,))
        return int(rows[0][0]) if rows else None

    async def move_cursor(self, pbx: str, last_id: int) -> None:
        """The PBX's list was read up to the id."""
        await self._database.write(
            [
                Statement(
                    "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (pbx) DO UPDATE SET last_id = excluded.last_id",
                    (pbx, last_id),
                )
            ]
        )

    async def expired(self, *, now: datetime, limit: int) -> list[ExpiredFile]:
        """The files whose retention is over and that are not deleted yet."""
        rows = await self._database.read(_EXPIRED, (_microseconds(now), limit))
        return [ExpiredFile(pbx, RecordingName(call, link, number)) for pbx, call, link, number in rows]

    async def forget_files(self, files: Sequence[ExpiredFile], *, at: datetime) -> None:
        """The files are deleted."""
        await self._database.write(
            [
                Statement(
                    _FORGET_FILE, (_microseconds(at), file.pbx, file.name.call_id, file.name.link, file.name.index)
                )
                for file in files
            ]
        )

    async def forget_calls(self, *, accepted_before: datetime) -> None:
        """Drop the rows of old calls that nothing is left of."""
        unit = [Statement(f"DELETE FROM calls WHERE {_OLD_CALLS}", (_microseconds(accepted_before),))]  # noqa: S608 - a constant
        unit += [Statement(_DROP_ORPHANS.format(table, table, table)) for table in ("jobs", "files")]
        await self._database.write(unit)

    async def _outcome(self, call: PendingCall, link: int, *, status: str, reason: str) -> Outcome:
        match status:
            case "ready":
                rows = await self._database.read(_FILES, (call.pbx, call.call_id, link))
                return Ready(tuple(_file(call.call_id, link, row) for row in rows))
            case "absent":
                return Absent()
            case _:
                return Failed(Reason(reason))


def settling(key: LinkKey, outcome: Outcome, *, at: datetime, expires_at: datetime) -> list[Statement]:
    """Keep a link's outcome, and its files."""
    match outcome:
        case Ready(files):
            status, reason = "ready", Reason.NONE
        case Absent():
            files, status, reason = (), "absent", Reason.NO_RECORDING
        case Failed(reason):
            files, status = (), "failed"
        case _:
            assert_never(outcome)
    unit = [Statement(_SETTLE_JOB, (status, reason.value, _microseconds(at), *key))]
    for file in files:
        measures = (file.duration // _MICROSECOND, file.size, file.sha256, file.channels, _microseconds(expires_at))
        unit.append(Statement(_INSERT_FILE, (*key, file.index, *measures)))
    return unit


def telling(call: PendingCall, due: Sequence[Due], *, at: datetime) -> list[Statement]:
    """Remember that the outcomes are in the outbox; belongs into the unit that puts them there."""
    return [Statement(_TELL_JOB, (_microseconds(at), call.pbx, call.call_id, told.link)) for told in due]


def _file(call_id: CallId, link: int, row: Row) -> RecordingFile:
    number, duration, size, sha256, channels = row
    return RecordingFile(
        index=number,
        path=recording_path(call_id, link, number),
        duration=duration * _MICROSECOND,
        size=size,
        sha256=sha256,
        channels=channels,
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
