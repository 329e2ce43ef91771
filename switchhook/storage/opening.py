"""From the `[database] url` to a database that is locked, migrated and ready."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from importlib.resources import files
from typing import TYPE_CHECKING

from switchhook.errors import StorageBroken
from switchhook.storage.migrations import Migration, migrate, read_migrations
from switchhook.storage.sqlite import SqliteDatabase, connect, lock_file

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from switchhook.storage.database import Database

_OUTBOX = "outbox"  # the name under which its one migration, number 0, is remembered


async def open_database(
    url: str, *, data_dir: Path, service: str, migrations: Traversable, include_outbox: bool = False
) -> Database:
    """The service's own database, migrated to this version.

    Raises `StorageInUse` when another process has it open, `SchemaMismatch` and `StorageBroken`.
    """
    if url != "sqlite:":
        raise StorageBroken(f"database.url {url.partition(':')[0]}: is not available in this version; use sqlite:")
    path = data_dir / f"{service}.sqlite3"
    lock = await asyncio.to_thread(_prepare, path, service, migrations, include_outbox)
    try:
        return SqliteDatabase(path, lock)
    except BaseException:
        lock.close()
        raise


def _prepare(path: Path, service: str, migrations: Traversable, include_outbox: bool) -> ExitStack:
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
            if include_outbox:
                migrate(connection, _OUTBOX, [_outbox_migration()])
            migrate(connection, service, read_migrations(migrations))
        finally:
            connection.close()
        return stack.pop_all()


def _outbox_migration() -> Migration:
    sql = files("switchhook.storage").joinpath("outbox.sql").read_text(encoding="utf-8")
    return Migration(number=0, name=_OUTBOX, sql=sql)
