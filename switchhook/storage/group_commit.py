"""Group commit: units of several callers in one SQLite transaction, each kept or refused by itself.

A batch is first run without savepoints, because nearly always every unit is fine and a savepoint costs two more
statements. If a unit is refused, the batch is rolled back and run again with a savepoint around each unit. What fails
for the transaction as a whole (no room on the disk, an input/output error) fails every unit, and nothing is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from switchhook.errors import ConstraintViolated, StorageBroken, StorageError, StorageFull
from switchhook.storage.database import Row, Statement

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
    """Owns the writing connection of one file; used by one thread. The connection must be in autocommit mode."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection = connect()

    def run(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        """One outcome for each unit; when this returns, what was kept is on the disk."""
        try:
            return self._together(units)
        except _REFUSALS as error:
            failure = translated(error)
            if len(units) == 1 or is_fatal(error):
                self._recover(error)
                return [failure] * len(units)
        try:
            return self._apart(units)
        except _REFUSALS as error:
            if not is_fatal(error):  # a constraint that is only looked at by the commit: whose it was cannot be told
                return [self.run([unit])[0] for unit in units]
            self._recover(error)
            return [translated(error)] * len(units)

    def close(self) -> None:
        """Close the connection, which also empties the write-ahead log."""
        self._connection.close()

    def _together(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            outcomes: list[Rows | StorageError] = [self._rows(unit) for unit in units]
            execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return outcomes

    def _apart(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            outcomes = [self._savepoint(unit) for unit in units]
            execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return outcomes

    def _savepoint(self, unit: Unit) -> Rows | StorageError:
        execute = self._connection.execute
        execute("SAVEPOINT unit")
        try:
            rows = self._rows(unit)
        except _REFUSALS as error:
            if is_fatal(error):
                raise
            execute("ROLLBACK TO unit")
            execute("RELEASE unit")
            return translated(error)
        execute("RELEASE unit")
        return rows

    def _rows(self, unit: Unit) -> Rows:
        execute = self._connection.execute
        rows: Rows = []
        for statement in unit:
            cursor = execute(statement.sql, statement.parameters)
            rows.append(cursor.fetchall() if cursor.description is not None else [])
        return rows

    def _roll_back(self) -> None:
        # SQLite ends a transaction by itself after some errors; then there is nothing to roll back.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _recover(self, error: Exception) -> None:
        """Begin anew after an input/output error: what the old connection believes of its files may be wrong."""
        if _primary_code(error) != sqlite3.SQLITE_IOERR:
            return
        try:
            self._connection.close()
        finally:
            self._connection = self._connect()


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
