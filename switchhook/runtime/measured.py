"""A database whose commits and queries are measured, whichever engine is behind it."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from switchhook.errors import ConstraintViolated, LeaseLost, StorageError, StorageFull
from switchhook.telemetry.neighbours import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.storage.database import Database, Row, Statement
    from switchhook.telemetry.neighbours import DatabaseMetrics


class MeasuredDatabase:
    """See `Database`. What is measured is what the caller waits for, the group's turn to be committed included."""

    def __init__(self, database: Database, metrics: DatabaseMetrics) -> None:
        self.is_shared = database.is_shared
        self._database = database
        self._metrics = metrics

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `Database.write`."""
        began = perf_counter()
        try:
            rows = await self._database.write(statements)
        except StorageError as error:
            self._metrics.refused(_reason(error))
            raise
        self._metrics.commit.observe(perf_counter() - began)
        return rows

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """See `Database.read`."""
        began = perf_counter()
        try:
            rows = await self._database.read(sql, parameters)
        except StorageError as error:
            self._metrics.refused(_reason(error))
            raise
        self._metrics.query.observe(perf_counter() - began)
        return rows

    async def close(self) -> None:
        """See `Database.close`."""
        await self._database.close()


def _reason(error: StorageError) -> Refusal:
    match error:
        case StorageFull():
            return Refusal.FULL
        case ConstraintViolated():
            return Refusal.CONSTRAINT
        case LeaseLost():
            return Refusal.LEASE
        case _:
            return Refusal.BROKEN
