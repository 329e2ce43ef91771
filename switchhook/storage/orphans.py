"""The streams of an outbox on a shared database: one for each replica, and what becomes of it when the replica is gone.

A stream has one writer, because positions are given at the insert: with two, a lower one could be committed behind a
cursor that has passed it. So an event of a replica that is gone gets a new position in the stream of whoever adopts it,
by one statement and in its order. What some sinks had acknowledged already is sent to them again: they know it by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchhook.storage.database import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.storage.database import Database
    from switchhook.storage.lease import Lease

_AT_ONCE = 1_000  # events in one unit: other units of this process wait for it

# Streams of the family that are nobody's: those of replicas that are gone, and the one from before there were replicas.
# The streams are found by a walk over the index, one step for each, however many events they have.
_ORPHANS = """
WITH RECURSIVE walk (stream) AS (
    (SELECT stream FROM outbox ORDER BY stream LIMIT 1)
    UNION ALL
    SELECT (SELECT next.stream FROM outbox AS next WHERE next.stream > walk.stream ORDER BY next.stream LIMIT 1)
    FROM walk WHERE walk.stream IS NOT NULL)
SELECT stream FROM (SELECT stream FROM walk UNION SELECT stream FROM outbox_sinks) AS streams
WHERE (stream = ? OR starts_with(stream, ?)) AND stream <> ?
    AND stream NOT IN (SELECT CAST(? AS TEXT) || number FROM replicas)
ORDER BY stream"""
_DROP_ACKNOWLEDGED = """
DELETE FROM outbox WHERE stream = ? AND position <= (
    SELECT CASE WHEN COUNT(*) = ? THEN MIN(acknowledged) ELSE 0 END FROM outbox_sinks
    WHERE stream = ? AND sink = ANY (?))"""
_MOVE = f"""
UPDATE outbox SET stream = ?, position = moved.next
FROM (
    SELECT position, nextval(pg_get_serial_sequence('outbox', 'position')) AS next
    FROM (SELECT position FROM outbox WHERE stream = ? ORDER BY position LIMIT {_AT_ONCE} FOR UPDATE) AS first) AS moved
WHERE outbox.position = moved.position RETURNING appended_at"""  # noqa: S608 - a constant
_FORGET = "DELETE FROM outbox_sinks WHERE stream = ?"


@dataclass(frozen=True, slots=True)
class Adopted:
    """How many events, and when the oldest was appended, in seconds since 1970 (0: there is none)."""

    events: int
    oldest: float


def own_stream(family: str, lease: Lease) -> str:
    """The stream of one replica; where the database is not shared, that of the only one."""
    return f"{family}/{lease.number}" if lease.is_shared else family


async def adopt(database: Database, family: str, *, heir: str, sinks: Sequence[str]) -> Adopted:
    """Move what sinks have not acknowledged of streams that are nobody's to the heir's. Raises `StorageError`."""
    appended: list[int] = []
    prefix = f"{family}/"
    for (orphan,) in await database.read(_ORPHANS, (family, prefix, heir, prefix)):
        move = [
            Statement(_DROP_ACKNOWLEDGED, (orphan, len(sinks), orphan, list(sinks))),
            Statement(_MOVE, (heir, orphan)),
        ]
        while moved := (await database.write(move))[-1]:
            appended += [at for (at,) in moved]
        await database.write([Statement(_FORGET, (orphan,))])
    return Adopted(len(appended), min(appended, default=0) / 1000)
