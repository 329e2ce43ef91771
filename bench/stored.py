"""A dispatcher's table that has seen much: delivered events, written by SQL into a database that nobody uses.

The schema is the dispatcher's own, by its own migrations; the payload is an event as it is stored. Each event has its
delivery and its one attempt, five events make a call, and all of them are young enough to stay in the log.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg

from bench.publishing import EVENTS_PER_CALL, new_events
from switchhook.rpc import encode
from switchhook.storage import migrate_database

if TYPE_CHECKING:
    from pathlib import Path

_FILL = (
    f"""
INSERT INTO events (id, call, sequence, payload, accepted_at, kind)
SELECT {{id}}, 'main/250301093000_' || ((n - 1) / {EVENTS_PER_CALL}),
       (n - 1) % {EVENTS_PER_CALL} + 1, {{payload}}, {{now}}, 'call'
FROM {{numbers}}""",
    """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, reason, settled_at, owner)
SELECT number, 'crm', call, sequence, 'delivered', 1, '', accepted_at, 0 FROM events""",
    """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt, address)
SELECT number, 'crm', 1, accepted_at, 900, 204, 'delivered', '', '', '127.0.0.1:80' FROM events""",
)
_SQLITE = {
    "id": "printf('evt_%032x', n)",
    "payload": ":payload",
    "now": ":now",
    "numbers": "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "SELECT n FROM numbers)",
}
_POSTGRES = {
    "id": "'evt_' || lpad(to_hex(n), 32, '0')",
    "payload": "$1::bytea",
    "now": "$2::bigint",
    "numbers": "generate_series(1, $3::bigint) AS numbers (n)",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """Where it is, how large, and how long it took."""

    database: str
    megabytes: float
    seconds: float


async def fill(folder: Path, database: str, count: int) -> Filled:
    """Make a database with so many delivered events: a file in the folder, or a new one on the server of `database`."""
    began = time.monotonic()
    payload, now = encode(next(iter(new_events(1)))), int(time.time() * 1_000_000)
    if database == "sqlite:":
        await _migrate(folder, database)
        size = await asyncio.to_thread(_fill_file, folder / "dispatcher.sqlite3", count, payload, now)
    else:
        database = await _new_database(database, f"rows_{count}")
        await _migrate(folder, database)
        size = await _fill_server(database, count, payload, now)
    return Filled(database, size / 1e6, time.monotonic() - began)


async def _migrate(folder: Path, database: str) -> None:
    migrations = files("services.dispatcher") / "migrations"
    await migrate_database(database, data_dir=folder, service="dispatcher", migrations=migrations)


def _fill_file(path: Path, count: int, payload: bytes, now: int) -> int:
    connection = sqlite3.connect(path)
    try:
        # What a crash would leave of it is of no interest. The dispatcher sets its own modes when it opens the file.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        facts = {"count": count, "payload": payload, "now": now}
        for statement in _FILL:
            connection.execute(statement.format(**_SQLITE), facts)
        connection.commit()
    finally:
        connection.close()
    return path.stat().st_size


async def _new_database(server: str, name: str) -> str:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return urlsplit(server)._replace(path=f"/{name}").geturl()


async def _fill_server(database: str, count: int, payload: bytes, now: int) -> int:
    connection = await asyncpg.connect(database, server_settings={"search_path": "switchhook_dispatcher"})
    try:
        await connection.execute("SET synchronous_commit = off")
        events, *others = (statement.format(**_POSTGRES) for statement in _FILL)
        await connection.execute(events, payload, now, count)
        for statement in others:
            await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")  # else the server would do it in the middle of a round
        await connection.execute("CHECKPOINT")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()
