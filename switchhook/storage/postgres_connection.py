"""Connections to PostgreSQL: one schema per service, durable commits, bounded waits; and who owns a service's tables.

Where a service's tables have one owner, its writing session holds an advisory lock: the lock ends with the session,
however that ends, and without the lock nothing can be written. Those who share tables hold the same lock together, so
that an owner (of an older version, which knows nothing of them) and they never write at the same time. An epoch is
counted at every start, so that an owner whose session was lost while others wrote is refused for good, and does not
write what it believed before. Those who share have leases for that.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from switchhook.errors import StorageInUse
from switchhook.storage.postgres_errors import REFUSALS, translated

if TYPE_CHECKING:
    from typing import TypeAlias

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

log = logging.getLogger(__name__)

READERS = 4  # connections
CONNECT_TIMEOUT = 10.0  # seconds
COMMAND_TIMEOUT = 30.0  # seconds; a network that swallows packets must not hold a caller for ever
MIGRATION_TIMEOUT = 3600.0  # seconds
LOCK_PATIENCE = 2.0  # seconds in which the server may notice that the last owner was killed
START_PATIENCE = 30.0  # seconds
_START_PAUSE = 0.5  # seconds
_NOT_YET = (ConnectionError, FileNotFoundError, socket.gaierror, asyncpg.CannotConnectNowError)
_STATEMENT_CACHE = 512  # prepared statements per connection

_SESSION_SETTINGS = {
    "timezone": "UTC",
    # A process that was stopped in mid-transaction must not hold the others' rows; seconds.
    "idle_in_transaction_session_timeout": "5s",
    # A machine that vanished gives its locks back after about ten seconds.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    # Every question has its index. A plan that was made while a table was small must not read it whole when it is not;
    # and compiling costs more than any of them takes.
    "enable_seqscan": "off",
    "jit": "off",
}
# A server that is set not to sync at commits would break the promise of `write`; stronger settings stay.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


@dataclass(slots=True)
class Access:
    """Where a service's tables are, and how to get there. `epoch` is None until the first connection that writes."""

    url: str = field(repr=False)
    service: str
    has_owner: bool
    epoch: int | None = None

    @property
    def schema(self) -> str:
        """The schema of the service's tables."""
        return f"switchhook_{self.service}"


async def connect_raw(access: Access, *, command_timeout: float) -> Connection:
    """One connection, its search path set. Raises what asyncpg raises."""
    connection: Connection = await asyncpg.connect(
        access.url,
        timeout=CONNECT_TIMEOUT,
        command_timeout=command_timeout,
        statement_cache_size=_STATEMENT_CACHE,
        max_cached_statement_lifetime=0,
        server_settings=_settings(access),
    )
    await connection.execute(_DURABLE)
    return connection


async def connect_at_start(access: Access, *, command_timeout: float) -> Connection:
    """As `connect_raw`, but a server that cannot be reached yet is waited for: they may be started together."""
    deadline = asyncio.get_running_loop().time() + START_PATIENCE
    is_said = False
    while True:
        try:
            return await connect_raw(access, command_timeout=command_timeout)
        except _NOT_YET as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            if not is_said:
                log.warning("database.awaited", extra={"service": access.service, "reason": str(translated(error))})
            is_said = True
        await asyncio.sleep(_START_PAUSE)


async def connect_writer(access: Access) -> Connection:
    """The connection that writes; holds the lock of the service's tables. Raises `StorageError`."""
    try:
        connection = await connect_raw(access, command_timeout=COMMAND_TIMEOUT)
    except REFUSALS as error:
        raise translated(error) from None
    try:
        await _lock(connection, access)
    except REFUSALS as error:
        connection.terminate()
        raise translated(error) from None
    except BaseException:
        connection.terminate()
        raise
    return connection


async def connect_readers(access: Access) -> Pool:
    """The connections that only read. Raises `StorageError`."""
    try:
        return await asyncpg.create_pool(
            access.url,
            min_size=0,
            max_size=READERS,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            statement_cache_size=_STATEMENT_CACHE,
            max_cached_statement_lifetime=0,
            server_settings=_settings(access) | {"default_transaction_read_only": "on"},
        )
    except REFUSALS as error:
        raise translated(error) from None


def lock_key(purpose: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"switchhook/{purpose}".encode()).digest()[:8], signed=True)


async def _lock(connection: Connection, access: Access) -> None:
    key = lock_key(access.schema)
    ask = f"SELECT pg_try_advisory_lock{'' if access.has_owner else '_shared'}($1)"
    deadline = asyncio.get_running_loop().time() + (LOCK_PATIENCE if access.epoch is None else 0)
    while not await connection.fetchval(ask, key):
        if asyncio.get_running_loop().time() >= deadline:
            raise StorageInUse(
                f"database.url: another process runs the {access.service} on this database: stop it, or give this one "
                "its own"
            )
        await asyncio.sleep(0.1)
    if access.epoch is None:
        access.epoch = await connection.fetchval("UPDATE owners SET epoch = epoch + 1 RETURNING epoch")
    elif access.has_owner and access.epoch != await connection.fetchval("SELECT epoch FROM owners"):
        raise StorageInUse(
            f"database.url: another process ran the {access.service} on this database while this one could not reach "
            "it: start this one anew"
        )


def _settings(access: Access) -> dict[str, str]:
    return _SESSION_SETTINGS | {"application_name": f"switchhook {access.service}", "search_path": access.schema}
