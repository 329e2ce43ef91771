"""The recorder's tables of work: calls whose recordings are owed, their jobs, and how far each PBX was read.

Writes are given as statements, so that what belongs together is committed in one unit by whoever knows that it does.
Every statement may be repeated: what is settled stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from services.recorder.arrivals import arriving
from services.recorder.jobs import Absent, Failed, Ready, Reason, pending_call
from services.recorder.kept_files import keeping
from services.recorder.rows import row_from_json, row_to_json
from switchhook.rpc import decode
from switchhook.storage import Statement
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from services.recorder.jobs import Due, Outcome, PendingCall
    from services.recorder.matching import LinkKey
    from services.recorder.rows import RecordingRow
    from switchhook.events import Event
    from switchhook.rpc import Received
    from switchhook.storage import Database

_INSERT_CALL = (
    "INSERT INTO calls (pbx, call_id, event_id, accepted_at, payload, is_matched) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING RETURNING call_id"
)
_INSERT_JOB = 'INSERT INTO jobs (pbx, call_id, link, "user", owed_since) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'
_SETTLE_JOB = (
    "UPDATE jobs SET status = ?, reason = ?, settled_at = ?"
    " WHERE pbx = ? AND call_id = ? AND link = ? AND status = 'waiting'"
)
_TELL_JOB = "UPDATE jobs SET told_at = ? WHERE pbx = ? AND call_id = ? AND link = ? AND told_at IS NULL"
_COUNT_ATTEMPT = "UPDATE jobs SET attempts = attempts + 1 WHERE pbx = ? AND call_id = ? AND link = ?"
_WAITING = "SELECT count(*), min(CASE WHEN owed_since > 0 THEN owed_since END) FROM jobs WHERE told_at IS NULL"
_MOVE_CURSOR = "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (pbx) DO UPDATE SET last_id = excluded.last_id"
_KEEP_STRAY = "INSERT INTO strays (pbx, id, seen_at, fields) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_TAKE_ROW = "INSERT INTO taken (pbx, id, call_id, fields) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
# A recording that was filed by itself, before its call was seen, is not needed twice.
_EXPIRE_FILED = (
    "UPDATE files SET expires_at = 0 WHERE pbx = ? AND deleted_at IS NULL AND call_id IN (SELECT taken.call_id"
    " FROM taken JOIN calls ON calls.pbx = taken.pbx AND calls.call_id = taken.call_id"
    " WHERE taken.pbx = ? AND taken.id = ? AND is_matched = 0 AND taken.call_id <> ?)"
)
_TAKEN = "SELECT id FROM taken WHERE pbx = ? AND id IN ({})"
_TAKEN_AT_ONCE = 100  # ids in one question; it always has so many, to be prepared once
_ROW_OF_CALL = "SELECT fields FROM taken WHERE pbx = ? AND call_id = ? AND fields <> ''"
_DROP_STRAY = "DELETE FROM strays WHERE pbx = ? AND id = ?"
# What is left of a call goes when its age is past and nothing of it is owed or stored any more.
_OLD_CALLS = (
    "accepted_at <= ? AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.pbx = calls.pbx AND jobs.call_id = calls.call_id"
    " AND told_at IS NULL) AND NOT EXISTS (SELECT 1 FROM files WHERE files.pbx = calls.pbx"
    " AND files.call_id = calls.call_id AND deleted_at IS NULL)"
)
_DROP_ORPHANS = (
    "DELETE FROM {} WHERE NOT EXISTS (SELECT 1 FROM calls WHERE calls.pbx = {}.pbx AND calls.call_id = {}.call_id)"
)


class Catalog:
    """Reads and statements; see the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self,
        finals: Sequence[Received],
        *,
        at: datetime,
        is_matched: bool = True,
        head: Sequence[Statement] = (),
        tail: Sequence[Statement] = (),
    ) -> list[PendingCall]:
        """Owe the recordings of the calls that these final end events tell of; gives those that are new, once kept.

        What is in `head` and `tail` is committed with them, before and after.
        """
        together = list(head)
        places = []
        for received in finals:
            event = received.event
            places.append(len(together))
            values = (event.pbx, event.call.id, event.id, micros(at), received.payload, int(is_matched))
            together.append(Statement(_INSERT_CALL, values))
            together += [
                Statement(_INSERT_JOB, (event.pbx, event.call.id, link.number, link.user, micros(at)))
                for link in event.call.links
            ]
            if is_matched and self._database.is_shared:
                together.append(arriving(event.pbx, event.call.id))
        together += tail
        rows = await self._database.write(together)
        calls = [
            pending_call(received.event, accepted_at=at)
            for received, place in zip(finals, places, strict=True)
            if rows[place]
        ]
        for call in calls:
            call.is_matched = is_matched
        return calls

    async def final_event(self, call: PendingCall) -> Event:
        """The final end event of a call that is owed."""
        rows = await self._database.read(
            "SELECT payload FROM calls WHERE pbx = ? AND call_id = ?", (call.pbx, call.call_id)
        )
        return decode(rows[0][0])

    async def count_attempt(self, key: LinkKey) -> None:
        """One more conversion of the link failed."""
        await self._database.write([Statement(_COUNT_ATTEMPT, tuple(key))])

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many links are not told yet, and since when the oldest is owed; reads no other rows."""
        [(links, oldest)] = await self._database.read(_WAITING)
        return int(links), None if oldest is None else moment(oldest)

    async def cursor(self, pbx: str) -> int | None:
        """The highest mark of the PBX's list that was read; None before the first."""
        rows = await self._database.read("SELECT last_id FROM cursors WHERE pbx = ?", (pbx,))
        return int(rows[0][0]) if rows else None

    async def write(self, unit: Sequence[Statement]) -> None:
        """Commit statements of this module together; nothing when there are none."""
        if unit:
            await self._database.write(unit)

    async def strays(self, pbx: str) -> list[tuple[RecordingRow, datetime]]:
        """Rows of the PBX's list that belong to nobody yet, and when each was seen, in that order."""
        rows = await self._database.read("SELECT fields, seen_at FROM strays WHERE pbx = ? ORDER BY seen_at", (pbx,))
        return [(row_from_json(fields), moment(seen_at)) for fields, seen_at in rows]

    async def taken(self, pbx: str, rows: Sequence[RecordingRow]) -> list[RecordingRow]:
        """Those of the rows that have a call, or were filed by themselves."""
        sql = _TAKEN.format(", ".join("?" * _TAKEN_AT_ONCE))
        taken = set[int]()
        for start in range(0, len(rows), _TAKEN_AT_ONCE):
            ids = [row.id for row in rows[start : start + _TAKEN_AT_ONCE]]
            padded = ids + [ids[0]] * (_TAKEN_AT_ONCE - len(ids))
            taken |= {identity for (identity,) in await self._database.read(sql, (pbx, *padded))}
        return [row for row in rows if row.id in taken]

    async def row_of(self, call: PendingCall) -> RecordingRow | None:
        """The recording that an unmatched call was made up for."""
        rows = await self._database.read(_ROW_OF_CALL, (call.pbx, call.call_id))
        return row_from_json(rows[0][0]) if rows else None

    async def forget_calls(self, *, accepted_before: datetime) -> None:
        """Drop the rows of old calls that nothing is left of."""
        drop = Statement(f"DELETE FROM calls WHERE {_OLD_CALLS}", (micros(accepted_before),))  # noqa: S608 - a constant
        orphans = [Statement(_DROP_ORPHANS.format(table, table, table)) for table in ("jobs", "taken")]
        await self._database.write([drop, *orphans])


def settling(key: LinkKey, outcome: Outcome, *, at: datetime, expires_at: datetime) -> list[Statement]:
    """Keep a link's outcome, and its files."""
    match outcome:
        case Ready(files):
            status, reason = "ready", Reason.NONE
        case Absent(reason):
            files, status = (), "absent"
        case Failed(reason):
            files, status = (), "failed"
        case _:
            assert_never(outcome)
    settle = Statement(_SETTLE_JOB, (status, reason.value, micros(at), *key))
    return [settle, *keeping(key, files, at=at, expires_at=expires_at)]


def telling(call: PendingCall, due: Sequence[Due], *, at: datetime) -> list[Statement]:
    """Remember that the outcomes are in the outbox; belongs into the unit that puts them there."""
    return [Statement(_TELL_JOB, (micros(at), call.pbx, call.call_id, told.link)) for told in due]


def moving_to(pbx: str, mark: int) -> Statement:
    """The PBX's list was read up to the mark."""
    return Statement(_MOVE_CURSOR, (pbx, mark))


def taking(key: LinkKey, rows: Iterable[RecordingRow]) -> list[Statement]:
    """The rows are the link's; what was filed of them before their call was seen is expired."""
    unit = []
    for row in rows:
        unit.append(Statement(_EXPIRE_FILED, (key.pbx, key.pbx, row.id, key.call_id)))
        unit.append(Statement(_TAKE_ROW, (key.pbx, row.id, key.call_id, "")))
    return unit


def filing(pbx: str, call_id: str, row: RecordingRow) -> list[Statement]:
    """A row gets a call that is made up for it."""
    return [
        Statement(_TAKE_ROW, (pbx, row.id, call_id, row_to_json(row))),
        Statement(_DROP_STRAY, (pbx, row.id)),
    ]


def keeping_strays(
    pbx: str, seen: Iterable[RecordingRow], claimed: Iterable[RecordingRow], *, at: datetime
) -> list[Statement]:
    """Remember rows that belong to nobody yet; forget those that were claimed since."""
    unit = [Statement(_KEEP_STRAY, (pbx, row.id, micros(at), row_to_json(row))) for row in seen]
    return unit + [Statement(_DROP_STRAY, (pbx, row.id)) for row in claimed]
