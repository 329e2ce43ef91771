"""A dispatcher's table that has seen much: delivered events, written by SQL into a closed SQLite database.

The schema is the dispatcher's own, by its own migrations; the payload is an event as it is stored. Each event has its
delivery and its one attempt, five events make a call, and all of them are young enough to stay in the log.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from importlib.resources import files
from typing import TYPE_CHECKING

from bench.publishing import EVENTS_PER_CALL, new_events
from switchhook.rpc import encode
from switchhook.storage import migrate_database

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
_FILL = (
    f"""
{_NUMBERS}
INSERT INTO events (id, call, sequence, payload, accepted_at, kind)
SELECT printf('evt_%032x', n), printf('main/250301093000_%d', (n - 1) / {EVENTS_PER_CALL}),
       (n - 1) % {EVENTS_PER_CALL} + 1, :payload, :now, 'call'
FROM numbers""",
    """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, reason, settled_at, owner)
SELECT number, 'crm', call, sequence, 'delivered', 1, '', accepted_at, 0 FROM events""",
    """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt, address)
SELECT number, 'crm', 1, accepted_at, 900, 204, 'delivered', '', '', '127.0.0.1:80' FROM events""",
)


async def fill(folder: Path, count: int) -> float:
    """Make the database with so many delivered events; the seconds that it took."""
    began = time.monotonic()
    await migrate_database(
        "sqlite:", data_dir=folder, service="dispatcher", migrations=files("services.dispatcher") / "migrations"
    )
    payload = encode(next(iter(new_events(1))))
    await asyncio.to_thread(_fill, folder / "dispatcher.sqlite3", count, payload)
    return time.monotonic() - began


def _fill(path: Path, count: int, payload: bytes) -> None:
    connection = sqlite3.connect(path)
    try:
        # What a crash would leave of it is of no interest. The dispatcher sets its own modes when it opens the file.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        facts = {"count": count, "payload": payload, "now": int(time.time() * 1_000_000)}
        for statement in _FILL:
            connection.execute(statement, facts)
        connection.commit()
    finally:
        connection.close()
