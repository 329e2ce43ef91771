"""Numbered SQL files, applied once each, in order, and remembered with their checksum.

`NNNN_what_it_does.sql`, counted from 0001, in words that `dialect` translates; where that is not enough, one file per
engine: `NNNN_what_it_does.sqlite.sql` and `.postgres.sql`. A file is never changed once it was released: an applied
file that differs is refused. A newer version's migrations are borne, for old and new replicas run side by side while an
upgrade goes on; one that takes away what older versions need is named `NNNN_contract_…`, and they refuse to start.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchhook.errors import SchemaMismatch, StorageBroken
from switchhook.storage.group_commit import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from switchhook.storage.dialect import Engine

_CONTRACT = "contract_"
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)(?:\.(sqlite|postgres))?\.sql")

APPLIED_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    service TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TEXT NOT NULL,
    PRIMARY KEY (service, number)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file's content; `engine` is None when every engine takes it."""

    number: int
    name: str
    sql: str
    engine: Engine | None = None

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, whatever the ends of its lines."""
        return hashlib.sha256("\n".join(self.sql.splitlines()).encode()).hexdigest()


def read_migrations(folder: Traversable, engine: Engine) -> list[Migration]:
    """The engine's migrations in the folder, in order. Raises `SchemaMismatch` when two have one number."""
    migrations = []
    for file in folder.iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match is None or match[3] not in {None, engine}:
            continue
        only = None if match[3] is None else engine
        sql = file.read_text(encoding="utf-8")
        migrations.append(Migration(number=int(match[1]), name=match[2], sql=sql, engine=only))
    migrations.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in migrations]
    if len(set(numbers)) != len(numbers):
        raise SchemaMismatch(f"two migrations have the same number: {numbers}")
    return migrations


def migrate(connection: sqlite3.Connection, service: str, migrations: Sequence[Migration]) -> list[Migration]:
    """Bring the service's tables up to date, a transaction for each file; give the files that were applied.

    Raises `SchemaMismatch`; then nothing more was changed.
    """
    try:
        connection.execute(APPLIED_TABLE)
        rows = connection.execute(
            "SELECT number, name, checksum FROM schema_migrations WHERE service = ? ORDER BY number", (service,)
        ).fetchall()
        missing = missing_migrations(service, migrations, {number: (name, checksum) for number, name, checksum in rows})
        for migration in missing:
            _apply(connection, service, migration)
    except sqlite3.Error as error:
        raise translated(error) from error
    return missing


def missing_migrations(
    service: str, migrations: Sequence[Migration], applied: Mapping[int, tuple[str, str]]
) -> list[Migration]:
    """What is to be applied, given the (name, checksum) of what was. Raises `SchemaMismatch`."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in applied.items():
        if number not in known:
            if not name.startswith(_CONTRACT):
                continue
            raise SchemaMismatch(
                f"{service}: the database has migration {number:04} ({name}), which took away what this version "
                "needs: it was written by a newer version; run that one, or restore a back-up"
            )
        if known[number].checksum != checksum:
            raise SchemaMismatch(
                f"{service}: migration {number:04} ({name}) is not the file that was applied: install the version as "
                "it was released"
            )
    missing = [migration for migration in migrations if migration.number not in applied]
    if missing and applied and missing[0].number < max(applied):
        raise SchemaMismatch(f"{service}: migration {missing[0].number:04} is older than one that was applied")
    return missing


def _apply(connection: sqlite3.Connection, service: str, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(migration.sql):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
            (service, migration.number, migration.name, migration.checksum),
        )
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise StorageBroken(f"{service}: migration {migration.number:04} ({migration.name}) failed: {error}") from error


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script, each of which ends at the end of a line.

    `executescript` is no help here: it commits first, so that a file could be applied in part.
    """
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
