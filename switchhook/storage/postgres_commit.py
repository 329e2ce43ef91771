"""Group commit on PostgreSQL: units of several callers in one transaction, each kept or refused by itself.

The same order of things as in `group_commit`: first without savepoints, then, when a unit was refused, with one around
each. A transaction that lost against another process's is run again. A connection that is in doubt is dropped, and
the next batch gets a new one.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.storage.dialect import gives_nothing, numbered
from switchhook.storage.postgres_connection import connect_writer
from switchhook.storage.postgres_errors import REFUSALS, is_collision, is_fatal, translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from switchhook.storage.group_commit import Rows, Unit
    from switchhook.storage.postgres_connection import Access, Connection

_RUNS = 5  # of a transaction that collides


class PostgresCommit:
    """Owns the writing connection of one database; used by one task."""

    def __init__(self, access: Access, connection: Connection) -> None:
        """Takes over the connection of `connect_writer`."""
        self._access = access
        self._connection: Connection | None = connection

    async def run(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        """One outcome for each unit; when this returns, what was kept is durable."""
        for run in range(1, _RUNS + 1):
            try:
                return await self._run_once(units)
            except StorageError as error:
                return [error] * len(units)
            except REFUSALS as error:
                await self._recover(error)
                if run == _RUNS or not is_collision(error):
                    return [translated(error)] * len(units)
        raise AssertionError("unreachable: the last run returns")

    async def close(self) -> None:
        """Close the connection, which gives the owner's lock back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=5)
            except REFUSALS:
                connection.terminate()

    def terminate(self) -> None:
        """Drop the connection without a word."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _run_once(self, units: Sequence[Unit]) -> list[Rows | StorageError]:
        try:
            return await self._transaction(units, _rows)
        except REFUSALS as error:
            if len(units) == 1 or is_fatal(error):
                raise
            await self._recover(error)
        try:
            return await self._transaction(units, _rows_or_refusal)
        except REFUSALS as error:
            if is_fatal(error):
                raise
            await self._recover(error)
        # A constraint that only the commit looks at: whose it was cannot be told, so each goes alone.
        return [(await self.run([unit]))[0] for unit in units]

    async def _transaction(
        self,
        units: Sequence[Unit],
        run_unit: Callable[[Connection, Unit], Awaitable[Rows | StorageError]],
    ) -> list[Rows | StorageError]:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await connect_writer(self._access)
        if len(units) == 1 and len(units[0]) == 1:
            return [await run_unit(connection, units[0])]  # a statement alone is a transaction
        await connection.execute("BEGIN")
        outcomes = [await run_unit(connection, unit) for unit in units]
        await connection.execute("COMMIT")
        return outcomes

    async def _recover(self, error: Exception) -> None:
        """Leave the transaction; drop a connection that may not be what one thinks."""
        connection = self._connection
        if connection is None:
            return
        if (is_fatal(error) and not is_collision(error)) or connection.is_closed():
            self.terminate()
            return
        try:
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except REFUSALS:
            self.terminate()


async def _rows(connection: Connection, unit: Unit) -> Rows:
    rows: Rows = []
    for sql, alike in groupby(unit, key=lambda statement: statement.sql):
        statements = list(alike)
        if len(statements) > 1 and gives_nothing(sql):
            # All of them in one journey.
            await connection.executemany(numbered(sql), [statement.parameters for statement in statements])
            rows += [[] for _ in statements]
            continue
        for statement in statements:
            found = await connection.fetch(numbered(sql), *statement.parameters)
            rows.append([tuple(row) for row in found])
    return rows


async def _rows_or_refusal(connection: Connection, unit: Unit) -> Rows | StorageError:
    await connection.execute("SAVEPOINT unit")
    try:
        rows = await _rows(connection, unit)
    except REFUSALS as error:
        if is_fatal(error):
            raise
        await connection.execute("ROLLBACK TO SAVEPOINT unit")
        await connection.execute("RELEASE SAVEPOINT unit")
        return translated(error)
    await connection.execute("RELEASE SAVEPOINT unit")
    return rows
