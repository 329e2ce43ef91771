"""A look at a service's tables from outside, beside the process that owns them: nothing is locked, made or written.

What it finds is a value; what keeps it from looking is a `StorageError`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from switchhook.errors import StorageBroken
from switchhook.storage.dialect import Engine
from switchhook.storage.migrations import missing_migrations
from switchhook.storage.opening import engine_of, migrations_by_owner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

_APPLIED = "SELECT service, number, name, checksum FROM schema_migrations"
_PATIENCE = 5.0  # seconds
_LOCKS = Path("/proc/locks")

_ByOwner = dict[str, dict[int, tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`is_made`: the tables are there. `missing` counts the migrations that the next start applies."""

    is_made: bool
    missing: int
    latency: timedelta
    server: str = ""


async def inspect_database(
    url: str, *, data_dir: Path, service: str, migrations: Traversable, include_outbox: bool = False
) -> Inspection:
    """How the service's tables are. Raises `SchemaMismatch` and `StorageBroken`."""
    engine = engine_of(url)
    wanted = migrations_by_owner(service, migrations, engine, include_outbox=include_outbox)
    began_at = time.perf_counter()
    if engine is Engine.POSTGRES:
        from switchhook.storage.postgres_inspection import applied_in_postgres  # noqa: PLC0415 - only where used

        applied, server = await applied_in_postgres(url, service)
    else:
        applied, server = await asyncio.to_thread(_applied_in_file, data_dir / f"{service}.sqlite3"), ""
    missing = sum(
        len(missing_migrations(owner, known, (applied or {}).get(owner, {}))) for owner, known in wanted.items()
    )
    latency = timedelta(seconds=time.perf_counter() - began_at)
    return Inspection(is_made=applied is not None, missing=missing, latency=latency, server=server)


async def services_at_work(url: str, *, data_dir: Path) -> frozenset[str]:
    """The services that have these tables open at this moment, as far as can be told; empty without an answer."""
    if engine_of(url) is Engine.POSTGRES:
        from switchhook.storage.postgres_inspection import services_in_postgres  # noqa: PLC0415 - only where used

        return await services_in_postgres(url)
    return await asyncio.to_thread(_locked, data_dir)


def by_owner(rows: list[tuple[str, int, str, str]]) -> _ByOwner:
    """What was applied, from rows of service, number, name, checksum."""
    applied: _ByOwner = {}
    for owner, number, name, checksum in rows:
        applied.setdefault(owner, {})[number] = (name, checksum)
    return applied


def _applied_in_file(path: Path) -> Mapping[str, Mapping[int, tuple[str, str]]] | None:
    try:
        if not path.exists():
            return None
        # Without a log beside it nobody has it open; a reader who does not say so would make one, and leave it there.
        is_open = path.with_name(f"{path.name}-wal").exists()
        query = "mode=ro" if is_open else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{query}", uri=True, timeout=_PATIENCE)
        try:
            return by_owner(connection.execute(_APPLIED).fetchall())
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise StorageBroken(
            f"{path}: cannot be read ({error}): is it a database, and may this user read it?"
        ) from error


def _locked(data_dir: Path) -> frozenset[str]:
    """The services whose lock files somebody holds. Asked of the kernel: to try the lock could refuse a start."""
    try:
        inodes = {fields[5].rpartition(":")[2] for line in _LOCKS.read_text().splitlines() if (fields := line.split())}
        return frozenset(path.stem for path in data_dir.glob("*.lock") if str(path.stat().st_ino) in inodes)
    except (OSError, IndexError):
        return frozenset()
