"""A dispatcher with several endpoints in a process of its own, to be killed and started again.

Run as a module it reads its configuration from its argument and prints the address it listens on. Two waits that are
longer than a test lasts are shorter in it: the pause after an overload, and the one between the breaker's probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from prometheus_client import CollectorRegistry

from services.dispatcher import retry
from services.dispatcher.breaker import BreakerRules
from services.dispatcher.service import Dispatcher
from switchhook.runtime.health import Health
from switchhook.telemetry.logs import configure_logging
from tests.deadline import eventually
from tests.integration.dispatcher.harness import endpoint, settings
from tests.soak.plan import SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEDULE = ("100ms", "200ms", "300ms", "400ms", "500ms")
_TIMEOUT = "700ms"
_OVERLOAD_DELAY = timedelta(milliseconds=300)
_RULES = BreakerRules(least_attempts=20, probe_interval=timedelta(milliseconds=200))
_START_WITHIN = 90.0  # seconds


class Victim:
    """`start` comes back when events are accepted at `address`; the log of all its lives is `<data_dir>.log`."""

    def __init__(self, data_dir: Path, *, database: str, urls: Mapping[str, str]) -> None:
        data_dir.mkdir()
        self._log = data_dir.with_suffix(".log")
        self._given = orjson.dumps({"data_dir": str(data_dir), "database": database, "urls": dict(urls)}).decode()
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def start(self) -> None:
        """Begin a life."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, self._given, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _START_WITHIN)
        self.address = line.decode().strip()
        assert self.address, f"it did not start: {self._log.read_text(errors='replace')[-4_000:]}"

    async def kill(self) -> None:
        """End the life with SIGKILL. It must not have ended by itself."""
        assert self._process is not None
        died = self._process.returncode
        assert died is None, f"it ended by itself ({died}): {self._log.read_text(errors='replace')[-4_000:]}"
        self._process.kill()
        await self._process.wait()

    async def clear(self) -> None:
        """End the life if there is one."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def _main() -> None:
    given = orjson.loads(sys.argv[1])
    endpoints = [
        endpoint(url, name, **{"retry_schedule": SCHEDULE, "timeout": _TIMEOUT, **SUBSCRIPTIONS[name]})
        for name, url in given["urls"].items()
    ]
    configuration = settings(Path(given["data_dir"]), *endpoints, database=given["database"], hold="1h")
    health = Health()
    dispatcher = Dispatcher.from_settings(configuration, registry=CollectorRegistry(), breaker_rules=_RULES)
    async with asyncio.TaskGroup() as group:
        group.create_task(dispatcher.run(health.service("dispatcher")))
        await eventually(lambda: health.report()["dispatcher"].ready, within=_START_WITHIN)
        print(dispatcher.address, flush=True)


if __name__ == "__main__":
    configure_logging("json", "warning", False, sys.stderr)
    logging.captureWarnings(True)
    vars(retry)["OVERLOAD_DELAY"] = _OVERLOAD_DELAY
    asyncio.run(_main())
