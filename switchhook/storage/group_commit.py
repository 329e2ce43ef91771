"""Group commit: units of several callers in one SQLite transaction, each kept or refused by itself.

A batch is first run without savepoints, because nearly always every unit is fine and a savepoint costs two more
statements. If a unit is refused, the batch is rolled back and run again with a savepoint around each unit. What fails
for the transaction as a whole (no room on the disk, an input/output error) fails every unit, and nothing is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import groupby

from switchhook.errors import ConstraintViolated, StorageBroken, StorageError, StorageFull
from switchhook.storage.database import Row, Statement
from switchhook.storage.dialect import gives_nothing

Unit = Sequence[Statement]
Rows = list[list[Row]]

# What sqlite3 raises when a statement or its parameters are at fault: its own errors, and those of converting values.
_REFUSALS = (sqlite3.Error, OverflowError, ValueError, TypeError)
# The primary codes that end a transaction as a whole, so that they cannot be one unit's own.
_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_FATAL_CODES = _FULL_CODES | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
}


class GroupCommit:
    """Owns the writing connection of one file; used by one thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` gives a connection in autocommit mode, or raises `StorageBroken`."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = connect()

    def run(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        """One outcome for each unit; when this returns, what was kept is on the disk."""
        try:
            return self._transaction(units, _rows)
        except _REFUSALS as error:
            if len(units) == 1 or is_fatal(error):
                return [self._failed(error)] * len(units)
        try:
            return self._transaction(units, _rows_or_refusal)
        except _REFUSALS as error:
            if is_fatal(error):
                return [self._failed(error)] * len(units)
            # A constraint that only the commit looks at: whose it was cannot be told, so each goes alone.
            return [self.run([unit])[0] for unit in units]

    def close(self) -> None:
        """Close the connection; the last one to a file also empties the write-ahead log."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transaction(
        self,
        units: Sequence[Unit],
        run_unit: Callable[[sqlite3.Connection, Unit], Rows | StorageError],
    ) -> list[Rows | StorageError]:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [run_unit(connection, unit) for unit in units]
            connection.execute("COMMIT")
        except BaseException:
            # SQLite ends a transaction by itself after some errors; then there is nothing to roll back.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _failed(self, error: Exception) -> StorageError:
        # After an input/output error, what the connection believes of its files may be wrong: the next batch gets a
        # new one. So it does if the connection could not even be rolled back.
        if self._connection is not None and (
            _primary_code(error) == sqlite3.SQLITE_IOERR or self._connection.in_transaction
        ):
            self.close()
        return translated(error)


def _rows(connection: sqlite3.Connection, unit: Unit) -> Rows:
    rows: Rows = []
    for sql, alike in groupby(unit, key=lambda statement: statement.sql):
        statements = list(alike)
        if len(statements) > 1 and gives_nothing(sql):
            connection.executemany(sql, [statement.parameters for statement in statements])
            rows += [[] for _ in statements]
            continue
        for statement in statements:
            cursor = connection.execute(sql, statement.parameters)
            rows.append(cursor.fetchall() if cursor.description is not None else [])
    return rows


def _rows_or_refusal(connection: sqlite3.Connection, unit: Unit) -> Rows | StorageError:
    connection.execute("SAVEPOINT unit")
    try:
        rows = _rows(connection, unit)
    except _REFUSALS as error:
        if is_fatal(error):
            raise
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return translated(error)
    connection.execute("RELEASE unit")
    return rows


def is_fatal(error: Exception) -> bool:
    """True when the error ended the transaction as a whole."""
    return _primary_code(error) in _FATAL_CODES


def translated(error: Exception) -> StorageError:
    """The platform's word for an error of sqlite3."""
    failure: StorageError
    if isinstance(error, sqlite3.IntegrityError):
        failure = ConstraintViolated(str(error))
    elif _primary_code(error) in _FULL_CODES:
        failure = StorageFull(f"the database cannot grow or be written ({error}): free space on its disk")
    else:
        failure = StorageBroken(f"the database refused: {error}")
    failure.__cause__ = error
    return failure


def _primary_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None
