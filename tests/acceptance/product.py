"""The product as a user runs it: `switchhook run` in one process, or as four processes over TCP, that can be killed."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson

from tests.acceptance.discretion import indiscretions, numbers_of, secrets_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

SERVICES = ("dispatcher", "recorder", "fileserver", "monitor")
EMBEDDED = "all"
_FIXED_PORTS = (10_000, 32_000)
_PARTS = 8
_GIVEN: set[int] = set()
_PATIENCE = aiohttp.ClientTimeout(total=15)
_PROOF = {"SWITCHHOOK_MONITOR__PROOF_INTERVAL": "8s"}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment.

    Below those that the system gives to outgoing connections: one of them might have it a moment later. Never one that
    was given before, and of each process of a test run from its own part: somebody may not listen on his yet.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.randrange(*_FIXED_PORTS) // _PARTS * _PARTS + worker % _PARTS
        if port in _GIVEN:
            continue
        _GIVEN.add(port)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Product:
    """An async context; `tables` are the `[[pbx]]` and `[[endpoint]]` tables of its configuration.

    `environ` configures it further, `environs` by the names of processes. Unless `is_awaited`, nobody waits at its
    start until it is ready. `names` are the processes of a split product: `monitor-2` is a monitor with a folder of its
    own, `monitor+dispatcher` are both in one. Again and again the PBXs' call logs are compared with what was reported;
    at the end so many calls must have been `unreported`; None: any number.
    """

    def __init__(
        self,
        folder: Path,
        tables: str,
        *,
        split: bool,
        names: Sequence[str] = SERVICES,
        database: str = "sqlite:",
        environ: Mapping[str, str] | None = None,
        environs: Mapping[str, Mapping[str, str]] | None = None,
        is_awaited: bool = True,
        unreported: int | None = 0,
    ) -> None:
        self.folder = folder
        self._database = database
        self._unreported = unreported
        self._environ = dict(environ or {})
        self._environs = environs or {}
        self._is_awaited = is_awaited
        self._names = tuple(names) if split else (EMBEDDED,)
        self._admin: dict[str, int] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        files = free_port()
        self.base = f"http://127.0.0.1:{files}"
        config = _CONFIG.format(data=folder / "data", files=files, database=database)
        if split:
            dispatcher, recorder = free_port(), free_port()
            config = config.replace("[dispatcher]", f'[dispatcher]\nlisten = "127.0.0.1:{dispatcher}"')
            config = config.replace(
                "[recorder]", f'[recorder]\nlisten = "127.0.0.1:{recorder}"\nsinks = ["127.0.0.1:{dispatcher}"]'
            )
            sinks = [f"127.0.0.1:{dispatcher}"] + [f"127.0.0.1:{recorder}"] * ("recorder" in names)
            config += f"[monitor]\nsinks = {orjson.dumps(sinks).decode()}\n"
        (folder / "switchhook.toml").write_text(config + tables)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(self.start(name) for name in self._names))
        except BaseException:
            # Nobody will leave what was not entered: without this the other processes would outlive the test.
            for process in self._processes.values():
                if process.returncode is None:
                    process.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        monitors = [name for name in self._processes if name == EMBEDDED or "monitor" in _services(name)]
        running = [name for name in monitors if kind is None and self._processes[name].returncode is None]
        counted = sum([await self.unreported(name) for name in running])
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        codes = await asyncio.gather(*(self._ended(process) for process in self._processes.values()))
        if kind is None:
            assert set(codes) == {0}, f"exit codes {codes}\n{self.log()}"
        if kind is None and self._unreported is not None:
            missed = [one for name in monitors for one in self.logged(name) if one["event"] == "call.unreported"]
            assert len(missed) == self._unreported, missed
            assert counted <= self._unreported  # what was counted before a kill is in the log alone
            await self._demand_discretion()

    async def _demand_discretion(self) -> None:
        """Nothing that must not be logged was logged, whatever this product was there for."""
        config = (self.folder / "switchhook.toml").read_text()
        environ = self._environ | {key: value for each in self._environs.values() for key, value in each.items()}
        data = [self.folder / "data", *(self.folder / name for name in self._processes)]
        numbers = await numbers_of(self._database, data)
        secrets = secrets_of(config, environ, data)
        lines = [line for name in self._names for line in (self.folder / f"{name}.log").read_text().splitlines()]
        assert (found := indiscretions(lines, numbers=numbers, secrets=secrets)) == [], "\n".join(found[:20])

    async def start(self, name: str) -> None:
        """Starts a process and waits until it says that it is ready."""
        self._admin.setdefault(name, free_port())
        environ = {key: value for key, value in os.environ.items() if not key.startswith("SWITCHHOOK_")}
        environ |= {
            **_PROOF,
            **self._environ,
            **self._environs.get(name, {}),
            "SWITCHHOOK_ADMIN__LISTEN": f"127.0.0.1:{self._admin[name]}",
        }
        if "-" in name:
            environ["SWITCHHOOK_DATA_DIR"] = str(self.folder / name)
        names = () if name == EMBEDDED else _services(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services", "--config", str(self.folder / "switchhook.toml"), "run", *names),
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await self._answering(name)

    async def kill(self, name: str) -> None:
        """`kill -9`."""
        process = self._processes[name]
        process.kill()
        await process.wait()

    async def readiness(self, name: str = EMBEDDED) -> tuple[int, dict[str, Any]]:
        """Status and body of a process's `/readyz`."""
        url = f"http://127.0.0.1:{self._admin[name]}/readyz"
        async with aiohttp.ClientSession(timeout=_PATIENCE) as http, http.get(url) as response:
            return response.status, await response.json()

    def admin_port(self, name: str = EMBEDDED) -> int:
        """Where a process is asked about itself."""
        return self._admin[name]

    @property
    def pids(self) -> dict[str, int]:
        """The process ids by name."""
        return {name: process.pid for name, process in self._processes.items()}

    @property
    def admin_ports(self) -> dict[str, int]:
        """Where the processes serve health and metrics, by name."""
        return dict(self._admin)

    async def metrics(self, name: str) -> str:
        """A process's `/metrics`."""
        url = f"http://127.0.0.1:{self._admin[name]}/metrics"
        async with aiohttp.ClientSession(timeout=_PATIENCE) as http, http.get(url) as response:
            return await response.text()

    async def unreported(self, name: str = EMBEDDED) -> float:
        """How many calls the process has found in call logs that nobody had reported."""
        lines = (await self.metrics(name)).splitlines()
        samples = [one for one in lines if one.startswith("switchhook_monitor_unreported_calls_total{")]
        return sum(float(one.rpartition(" ")[2]) for one in samples)

    async def problems(self, service: str) -> dict[str, str]:
        """What a service complains of, whichever process it runs in."""
        _, body = await self.readiness(service if service in self._names else EMBEDDED)
        return {check: str(sentence) for check, sentence in body["services"][service]["problems"].items()}

    def log(self, name: str | None = None) -> str:
        """What the processes wrote, the end of it."""
        names = self._names if name is None else (name,)
        return "\n".join(f"--- {one}\n{(self.folder / f'{one}.log').read_text()[-6000:]}" for one in names)

    def logged(self, name: str) -> list[dict[str, Any]]:
        """The lines that a process has logged."""
        lines = (self.folder / f"{name}.log").read_bytes().splitlines()
        assert all(one.startswith(b"{") for one in lines), self.log(name)
        return [orjson.loads(one) for one in lines]

    async def _answering(self, name: str) -> None:
        deadline = time.monotonic() + 40
        while True:
            assert self._processes[name].returncode is None, self.log(name)
            try:
                if (await self.readiness(name))[0] == 200 or not self._is_awaited:
                    return
            except (aiohttp.ClientError, TimeoutError):
                pass
            assert time.monotonic() < deadline, f"{name} is not ready\n{self.log(name)}"
            await asyncio.sleep(0.05)

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process) -> int:
        try:
            async with asyncio.timeout(20):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


def _services(name: str) -> list[str]:
    """Those of a process."""
    return name.partition("-")[0].split("+")


_CONFIG = """
data_dir = "{data}"
[database]
url = "{database}"
[dispatcher]
retry_schedule = ["200ms", "500ms", "1s", "2s", "5s", "5s", "5s"]
[recorder]
poll_interval = "250ms"
wait_for_recording = "60s"
[fileserver]
listen = "127.0.0.1:{files}"
public_url = "http://127.0.0.1:{files}"
"""
