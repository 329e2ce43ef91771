"""PostgreSQL behind the `Database` protocol: a schema per service, one connection that writes, a few that read.

One task writes, by group commit, in the order of the calls. When the server restarts, units that were not confirmed
raise `StorageBroken`, though a commit whose answer was lost may have been kept: callers write what may be repeated.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from switchhook.errors import StorageBroken, StorageError
from switchhook.storage.dialect import numbered
from switchhook.storage.postgres_commit import PostgresCommit
from switchhook.storage.postgres_connection import CONNECT_TIMEOUT, connect_readers, connect_writer
from switchhook.storage.postgres_errors import REFUSALS, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.storage.database import Row, Statement
    from switchhook.storage.group_commit import Rows, Unit
    from switchhook.storage.postgres_connection import Access, Pool

_BATCH = 200  # units in one commit; more would hold rows that other processes want
_QUEUE_LIMIT = 10_000  # units accepted and not yet done


@dataclass(slots=True, eq=False)
class _Job:
    unit: Unit
    future: asyncio.Future[Rows]


class PostgresDatabase:
    """One service's tables. Made by `open_postgres`."""

    def __init__(self, access: Access, commit: PostgresCommit, readers: Pool) -> None:
        """Takes over the connections."""
        self.is_shared = not access.has_owner
        self._commit = commit
        self._readers = readers
        self._room = asyncio.Semaphore(_QUEUE_LIMIT)
        self._jobs: deque[_Job] = deque()
        self._stirred = asyncio.Event()
        self._closed = False
        self._writing = asyncio.create_task(self._serve(), name=f"{access.service}-writer")

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `Database.write`."""
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise StorageBroken("the database is closed")
        job = _Job(statements, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._stirred.set()
        return await job.future

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """See `Database.read`."""
        if self._closed:
            raise StorageBroken("the database is closed")
        try:
            async with self._readers.acquire(timeout=CONNECT_TIMEOUT) as connection:
                rows = await connection.fetch(numbered(sql), *parameters)
        except REFUSALS as error:
            raise translated(error) from None
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        """See `Database.close`."""
        self._closed = True
        self._stirred.set()
        await self._writing
        await self._commit.close()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._readers.close()
        except (*REFUSALS, asyncpg.InterfaceError):
            self._readers.terminate()

    async def _serve(self) -> None:
        while self._jobs or not self._closed:
            if not self._jobs:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            jobs = [self._jobs.popleft() for _ in range(min(len(self._jobs), _BATCH))]
            try:
                outcomes = await self._outcomes([job.unit for job in jobs])
            except asyncio.CancelledError:
                for job in (*jobs, *self._jobs):
                    job.future.cancel()
                raise
            for job, outcome in zip(jobs, outcomes, strict=True):
                self._room.release()
                if job.future.done():
                    continue  # its caller was cancelled
                if isinstance(outcome, StorageError):
                    job.future.set_exception(outcome)
                else:
                    job.future.set_result(outcome)

    async def _outcomes(self, units: Sequence[Unit]) -> Sequence[Rows | StorageError]:
        try:
            return await self._commit.run(units)
        except Exception as error:  # the boundary of the task: an unforeseen error must reach the callers
            self._commit.terminate()
            broken = StorageBroken(f"unforeseen: {type(error).__name__}")
            broken.__cause__ = error
            return [broken] * len(units)


async def open_postgres(access: Access) -> PostgresDatabase:
    """Connect to tables that are migrated. Raises `StorageInUse` and `StorageBroken`."""
    commit = PostgresCommit(access, await connect_writer(access))
    try:
        readers = await connect_readers(access)
    except BaseException:
        await commit.close()
        raise
    return PostgresDatabase(access, commit, readers)
