"""A dispatcher with one endpoint in a process of its own, which a test may kill.

Run as a module it reads a configuration from its arguments, prints the address it listens on, and writes its log to
standard error, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import orjson
from prometheus_client import CollectorRegistry

from services.dispatcher.breaker import BreakerRules
from services.dispatcher.service import Dispatcher
from switchhook.runtime.health import Health
from switchhook.telemetry.logs import configure_logging
from tests.deadline import eventually
from tests.integration.dispatcher.harness import endpoint, settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any


class DispatcherProcess:
    """An async context manager; the process is killed at its end if it still runs."""

    def __init__(
        self,
        data_dir: Path,
        *,
        url: str,
        database: str = "sqlite:",
        keys: Mapping[str, Any] | None = None,
        probe_interval: float = 30.0,
        **dispatcher: Any,
    ) -> None:
        """`keys` are more of the endpoint's, `dispatcher` more of `[dispatcher]`; `probe_interval` is in seconds."""
        given = {
            "data_dir": str(data_dir),
            "url": url,
            "database": database,
            "keys": keys or {},
            "probe_interval": probe_interval,
            "dispatcher": dispatcher,
        }
        self._arguments = orjson.dumps(given).decode()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.address = ""
        self.lines: list[dict[str, Any]] = []

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            self._arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reading = asyncio.create_task(self._read(self._process.stderr))
        self.address = (await asyncio.wait_for(self._process.stdout.readline(), 30)).decode().strip()
        assert self.address, "the dispatcher did not start"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def kill(self) -> None:
        """The hard way: no handler runs, nothing is flushed."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def said(self, event: str, within: float = 10.0) -> None:
        """Wait for a line of the log."""
        await eventually(lambda: any(line["event"] == event for line in self.lines), within, f"{event} was not said")

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            if line.startswith(b"{"):
                self.lines.append(orjson.loads(line))


async def _main() -> None:
    given = orjson.loads(sys.argv[1])
    configuration = settings(
        given["data_dir"],
        endpoint(given["url"], **given["keys"]),
        database=given["database"],
        **given["dispatcher"],
    )
    health = Health()
    rules = BreakerRules(probe_interval=timedelta(seconds=given["probe_interval"]))
    dispatcher = Dispatcher.from_settings(configuration, registry=CollectorRegistry(), breaker_rules=rules)
    async with asyncio.TaskGroup() as group:
        group.create_task(dispatcher.run(health.service("dispatcher")))
        await eventually(lambda: health.report()["dispatcher"].ready, within=30)
        print(dispatcher.address, flush=True)


if __name__ == "__main__":
    configure_logging("json", os.environ.get("LOG_LEVEL", "info"), False, sys.stderr)
    logging.captureWarnings(True)
    asyncio.run(_main())
