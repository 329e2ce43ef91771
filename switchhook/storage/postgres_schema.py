"""A service's schema in PostgreSQL, brought up to date. Processes that start at once do it one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.errors import StorageBroken
from switchhook.storage.dialect import postgres_schema
from switchhook.storage.migrations import APPLIED_TABLE, missing_migrations
from switchhook.storage.postgres_connection import MIGRATION_TIMEOUT, connect_at_start, lock_key
from switchhook.storage.postgres_errors import REFUSALS, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from switchhook.storage.migrations import Migration
    from switchhook.storage.postgres_connection import Access, Connection

_OWNERS = """
CREATE TABLE IF NOT EXISTS owners (number INTEGER PRIMARY KEY CHECK (number = 1), epoch BIGINT NOT NULL);
INSERT INTO owners VALUES (1, 0) ON CONFLICT DO NOTHING;
"""
_HAS_SCHEMA = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)"
_APPLIED = "SELECT number, name, checksum FROM schema_migrations WHERE service = $1 ORDER BY number"
_REMEMBER = """
INSERT INTO schema_migrations VALUES ($1, $2, $3, $4, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
"""


async def migrate_postgres(
    access: Access, migrations_by_owner: Mapping[str, Sequence[Migration]]
) -> dict[str, list[Migration]]:
    """Apply what is missing, a transaction for each file; give the files that were applied.

    Raises `SchemaMismatch` and `StorageBroken`; then nothing more was changed.
    """
    try:
        connection = await connect_at_start(access, command_timeout=MIGRATION_TIMEOUT)
    except REFUSALS as error:
        raise translated(error) from None
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", lock_key(f"{access.schema}/migrations"))
        await _make_room(connection, access)
        applied = {}
        for owner, migrations in migrations_by_owner.items():
            applied[owner] = await _migrate(connection, owner, migrations)
    except REFUSALS as error:
        raise translated(error) from None
    finally:
        connection.terminate()
    return applied


async def _make_room(connection: Connection, access: Access) -> None:
    # `IF NOT EXISTS` asks for the right to make schemas even when it is there.
    if not await connection.fetchval(_HAS_SCHEMA, access.schema):
        await connection.execute(f'CREATE SCHEMA "{access.schema}"')
    await connection.execute(APPLIED_TABLE)
    await connection.execute(_OWNERS)


async def _migrate(connection: Connection, owner: str, migrations: Sequence[Migration]) -> list[Migration]:
    rows = await connection.fetch(_APPLIED, owner)
    missing = missing_migrations(owner, migrations, {row["number"]: (row["name"], row["checksum"]) for row in rows})
    for migration in missing:
        await _apply(connection, owner, migration)
    return missing


async def _apply(connection: Connection, owner: str, migration: Migration) -> None:
    sql = postgres_schema(migration.sql) if migration.engine is None else migration.sql
    try:
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute(_REMEMBER, owner, migration.number, migration.name, migration.checksum)
    except REFUSALS as error:
        raise StorageBroken(
            f"{owner}: migration {migration.number:04} ({migration.name}) failed: {translated(error)}"
        ) from None
