"""What was found of links, on its way from whoever reads a PBX's list to whoever converts: columns of `jobs`, `calls`.

A link's rows are kept with it, so that they are found once, whatever becomes of who found them. The call's row is
always written first: it is the lock under which a call gets work, and loses it when there is none left (see `claims`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from services.recorder.rows import row_from_json, row_to_json
from switchhook.storage import Statement
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.recorder.hunt import Found
    from services.recorder.matching import AwaitedLink
    from services.recorder.rows import RecordingRow
    from switchhook.storage import Database

_DUE = "UPDATE calls SET due_at = ? WHERE pbx = ? AND call_id = ?"
_LIST = (
    "UPDATE jobs SET listed = ?, listed_at = ?"
    " WHERE pbx = ? AND call_id = ? AND link = ? AND status = 'waiting' AND listed = ''"
)
_TAKE = "INSERT INTO taken (pbx, id, call_id, fields) VALUES (?, ?, ?, '') ON CONFLICT DO NOTHING"
_DROP_STRAY = "DELETE FROM strays WHERE pbx = ? AND id = ?"
_LISTED = (
    "SELECT link, listed, listed_at, attempts, looks FROM jobs"
    " WHERE pbx = ? AND call_id = ? AND status = 'waiting' AND listed <> ''"
)
_LOOKED = "UPDATE jobs SET looks = ? WHERE pbx = ? AND call_id = ? AND link = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What was found of a link, no rows when none came in time.

    `attempts` are conversions that failed, `looks` how often the PBX gave no file.
    """

    link: int
    rows: tuple[RecordingRow, ...]
    since: datetime
    attempts: int
    looks: int


def listing(found: Sequence[Found], *, at: datetime) -> list[Statement]:
    """Keep what was found, nobody's no more, and let the calls be claimed; no rows mean that none came in time."""
    unit = []
    for each in found:
        key = each.link.key
        fields = orjson.dumps([row_to_json(row) for row in each.rows]).decode()
        unit.append(Statement(_DUE, (micros(at), key.pbx, key.call_id)))
        unit.append(Statement(_LIST, (fields, micros(at), *key)))
        for row in each.rows:
            unit.append(Statement(_TAKE, (key.pbx, row.id, key.call_id)))
            unit.append(Statement(_DROP_STRAY, (key.pbx, row.id)))
    return unit


async def listed(database: Database, pbx: str, call_id: str) -> list[Listed]:
    """What was found of a call and is not settled yet. Raises `StorageError`."""
    return [
        Listed(
            link=link,
            rows=tuple(row_from_json(fields) for fields in orjson.loads(rows)),
            since=moment(since),
            attempts=attempts,
            looks=looks,
        )
        for link, rows, since, attempts, looks in await database.read(_LISTED, (pbx, call_id))
    ]


def looked(link: AwaitedLink, looks: int) -> Statement:
    """The PBX gave no file so often."""
    return Statement(_LOOKED, (looks, *link.key))
