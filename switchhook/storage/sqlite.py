"""SQLite behind the `Database` protocol: one file per service, in write-ahead mode, synced at every commit.

One thread writes, by group commit; another reads over a connection of its own, so it never sees what is not committed
and never waits for a sync. A lock file keeps a second process from opening the same service's data.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from switchhook.errors import StorageBroken, StorageError, StorageInUse
from switchhook.storage.group_commit import GroupCommit, Rows, Unit, translated
from switchhook.storage.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.storage.database import Row, Statement

_BATCH = 500  # units in one commit
_BUSY_TIMEOUT = 5_000  # ms; only a back-up tool or a person's sqlite3 shell can hold the file
_STATEMENT_CACHE = 512  # prepared statements per connection
_CHECKPOINT_PAGES = 4_000  # 16 MB of log: a checkpoint costs two syncs, so not too often

_Question = tuple[str, Sequence[object]]


class SqliteDatabase:
    """One open file. Build it on the event loop, by `open_database`."""

    is_shared = False

    def __init__(self, path: Path, lock: ExitStack) -> None:
        """Takes over `lock`, which is released when the database is closed."""
        self._lock = lock
        commit = GroupCommit(lambda: connect(path))
        reader = connect(path)
        reader.execute("PRAGMA query_only = ON")
        self._writer: Worker[Unit, Rows] = Worker(f"{path.stem}-writer", commit.run, batch=_BATCH, finish=commit.close)
        self._reader: Worker[_Question, list[Row]] = Worker(
            f"{path.stem}-reader", lambda questions: _answers(reader, questions), batch=1, finish=reader.close
        )

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `Database.write`."""
        return await self._writer.call(statements)

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """See `Database.read`."""
        return await self._reader.call((sql, parameters))

    async def close(self) -> None:
        """See `Database.close`. The reader goes first: the last connection to close empties the log."""
        await self._reader.close()
        await self._writer.close()
        self._lock.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, durable at every commit. It may be used by another thread than this one."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENT_CACHE
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        # Some builds overwrite what is deleted, which doubles the writing of a table that is a queue.
        connection.execute("PRAGMA secure_delete = OFF")
    except sqlite3.Error as error:
        connection.close()
        raise StorageBroken(f"{path}: cannot be opened ({error}): is it a database, and may we write it?") from error
    return connection


def lock_file(path: Path) -> ExitStack:
    """Hold the lock file until the stack is closed, or the process ends however it ends. Raises `StorageInUse`."""
    stack = ExitStack()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageBroken(f"{path}: cannot be written ({error.strerror}): check data_dir and its owner") from error
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stack.close()
        raise StorageInUse(
            f"{path}: another process runs this service on the same data_dir: stop it, or give this one its own"
        ) from error
    return stack


def _answers(connection: sqlite3.Connection, questions: Sequence[_Question]) -> list[list[Row] | StorageError]:
    answers: list[list[Row] | StorageError] = []
    for sql, parameters in questions:
        try:
            answers.append(connection.execute(sql, parameters).fetchall())
        except (sqlite3.Error, OverflowError, ValueError, TypeError) as error:
            answers.append(translated(error))
    return answers
