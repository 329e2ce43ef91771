"""From the `[database] url` to a database that is locked, migrated and ready."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from importlib.resources import files
from typing import TYPE_CHECKING

from switchhook.errors import StorageBroken
from switchhook.storage.dialect import Engine
from switchhook.storage.migrations import Migration, migrate, read_migrations
from switchhook.storage.sqlite import SqliteDatabase, connect, lock_file

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from switchhook.storage.database import Database

_OUTBOX = "outbox"  # the name under which its one migration, number 0, is remembered


async def open_database(
    url: str,
    *,
    data_dir: Path,
    service: str,
    migrations: Traversable,
    include_outbox: bool = False,
    allow_replicas: bool = False,
) -> Database:
    """The service's own database, migrated to this version.

    `allow_replicas`: other processes may have it open too, where the engine can (PostgreSQL). Raises `StorageInUse`
    when another process has it to itself, `SchemaMismatch` and `StorageBroken`.
    """
    engine = engine_of(url)
    by_owner = migrations_by_owner(service, migrations, engine, include_outbox=include_outbox)
    if engine is Engine.POSTGRES:
        # Loaded when it is asked for: most installations have no PostgreSQL.
        from switchhook.storage.postgres import open_postgres  # noqa: PLC0415 - asyncpg only where used
        from switchhook.storage.postgres_connection import Access  # noqa: PLC0415 - asyncpg only where used
        from switchhook.storage.postgres_schema import migrate_postgres  # noqa: PLC0415 - asyncpg only where used

        access = Access(url, service, has_owner=not allow_replicas)
        await migrate_postgres(access, by_owner)
        return await open_postgres(access)
    path = data_dir / f"{service}.sqlite3"
    lock, _ = await asyncio.to_thread(_prepare, path, by_owner)
    try:
        return SqliteDatabase(path, lock)
    except BaseException:
        lock.close()
        raise


async def migrate_database(
    url: str, *, data_dir: Path, service: str, migrations: Traversable, include_outbox: bool = False
) -> list[str]:
    """Bring the service's tables up to date; names what was applied, such as `monitor/0001_calls`.

    Raises `StorageInUse`, `SchemaMismatch` and `StorageBroken`.
    """
    engine = engine_of(url)
    by_owner = migrations_by_owner(service, migrations, engine, include_outbox=include_outbox)
    if engine is Engine.POSTGRES:
        from switchhook.storage.postgres_connection import Access  # noqa: PLC0415 - asyncpg only where used
        from switchhook.storage.postgres_schema import migrate_postgres  # noqa: PLC0415 - asyncpg only where used

        applied = await migrate_postgres(Access(url, service, has_owner=False), by_owner)
    else:
        lock, applied = await asyncio.to_thread(_prepare, data_dir / f"{service}.sqlite3", by_owner)
        lock.close()
    return [f"{owner}/{each.number:04}_{each.name}" for owner, new in applied.items() for each in new]


def engine_of(url: str) -> Engine:
    """The engine behind the url. Raises `StorageBroken` for one that is not known."""
    scheme = url.partition(":")[0]
    if scheme in {"postgresql", "postgres"}:
        return Engine.POSTGRES
    if url != "sqlite:":
        raise StorageBroken(f"database.url {scheme}: is not known; use sqlite: or postgresql://")
    return Engine.SQLITE


def migrations_by_owner(
    service: str, folder: Traversable, engine: Engine, *, include_outbox: bool
) -> dict[str, list[Migration]]:
    """What this version wants applied: the service's own migrations, and those of the outbox where it has one."""
    by_owner = {_OUTBOX: [_outbox_migration()]} if include_outbox else {}
    by_owner[service] = read_migrations(folder, engine)
    return by_owner


def _prepare(path: Path, by_owner: dict[str, list[Migration]]) -> tuple[ExitStack, dict[str, list[Migration]]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageBroken(f"{path.parent}: cannot be made ({error.strerror}): check data_dir") from error
    with ExitStack() as stack:
        stack.enter_context(lock_file(path.with_suffix(".lock")))
        # Calls are nobody else's business; the log beside the file gets the file's own permissions.
        path.touch(mode=0o600)
        connection = connect(path)
        try:
            applied = {owner: migrate(connection, owner, migrations) for owner, migrations in by_owner.items()}
        finally:
            connection.close()
        return stack.pop_all(), applied


def _outbox_migration() -> Migration:
    sql = files("switchhook.storage").joinpath("outbox.sql").read_text(encoding="utf-8")
    return Migration(number=0, name=_OUTBOX, sql=sql)
