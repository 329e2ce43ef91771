"""A look into PostgreSQL from outside: which migrations were applied, whether it can be written, who is connected."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import asyncpg

from switchhook.errors import StorageBroken
from switchhook.storage.inspection import by_owner
from switchhook.storage.postgres_errors import REFUSALS, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE = 5.0  # seconds
_NAME = "switchhook-doctor"
_PREFIX = "switchhook "  # of the names that services give their connections
_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"
_SCHEMA = "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1"
_MAY_MAKE = "SELECT has_database_privilege(current_database(), 'CREATE')"
_APPLIED = 'SELECT service, number, name, checksum FROM "{schema}".schema_migrations'
_CONNECTED = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, $1)"""


async def applied_in_postgres(url: str, service: str) -> tuple[Mapping[str, Mapping[int, tuple[str, str]]] | None, str]:
    """What was applied by owner, None before the first start; and the server's version. Raises `StorageBroken`."""
    schema = f"switchhook_{service}"
    try:
        connection = await _connect(url)
    except REFUSALS as error:
        raise translated(error) from None
    try:
        server = str(await connection.fetchval("SHOW server_version")).partition(" ")[0]
        if await connection.fetchval(_READ_ONLY):
            raise StorageBroken("the database takes no writes: name the primary server in database.url, not a standby")
        may_use = await connection.fetchval(_SCHEMA, schema)
        if may_use is None:
            if not await connection.fetchval(_MAY_MAKE):
                raise StorageBroken("the user of database.url may make no schema: GRANT CREATE ON DATABASE to it")
            return None, server
        if not may_use:
            raise StorageBroken(f"the user of database.url may not use the schema {schema}: make it the owner")
        rows = await connection.fetch(_APPLIED.format(schema=schema))
        return by_owner([(row[0], row[1], row[2], row[3]) for row in rows]), server
    except REFUSALS as error:
        raise translated(error) from None
    finally:
        connection.terminate()


async def services_in_postgres(url: str) -> frozenset[str]:
    """The services that are connected to the database; empty when it cannot be asked."""
    with contextlib.suppress(*REFUSALS):
        connection = await _connect(url)
        try:
            rows = await connection.fetch(_CONNECTED, _PREFIX)
        finally:
            connection.terminate()
        return frozenset(str(row[0]).removeprefix(_PREFIX) for row in rows)
    return frozenset()


async def _connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        url,
        timeout=_PATIENCE,
        command_timeout=_PATIENCE,
        statement_cache_size=0,
        server_settings={"application_name": _NAME},
    )
    return connection
