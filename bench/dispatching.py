"""The dispatcher that a bench measures: a process of its own on one core.

    python -m bench.dispatching FOLDER --endpoint URL [--hanging URL] [--database URL] [--core N] [--profile FILE]
        [--otlp URL] [--without-metrics]

Prints its address, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bench.processes import Companion
from services.dispatcher.service import Dispatcher
from switchhook.runtime.health import Health
from switchhook.runtime.interpreter import tune_interpreter
from switchhook.runtime.measured import MeasuredDatabase
from switchhook.settings import DatabaseSettings, DispatcherSettings, EndpointSettings, FileserverSettings, Settings
from switchhook.telemetry.logs import configure_logging
from switchhook.telemetry.tracing import configure_tracing
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HANGING = "hanging"
START_WITHIN = 120.0  # seconds
_HERE = ("127.0.0.0/8",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One dispatcher: its folder, its database, whom it tells, and its processor.

    `hanging` never answers; its attempts end after `patience` seconds. Traces go to `otlp`, if there is one; unless it
    `is_measured`, its metrics do nothing.
    """

    folder: Path
    core: int
    url: str = ""
    hanging: str = ""
    patience: float = 1.0
    database: str = "sqlite:"
    profile: str = ""
    otlp: str = ""
    is_measured: bool = True


def settings_of(where: Where) -> Settings:
    """The defaults, but for the endpoint that hangs: its attempts end sooner, and nothing for it expires."""
    endpoints = []
    if where.url:
        endpoints.append(EndpointSettings(name="crm", url=where.url, format="post", allow_private=_HERE))
    if where.hanging:
        endpoints.append(
            EndpointSettings(
                name=HANGING,
                url=where.hanging,
                format="post",
                allow_private=_HERE,
                timeout=timedelta(seconds=where.patience),
                deadlines={"ringing": None},
            )
        )
    return Settings(
        data_dir=where.folder,
        database=DatabaseSettings(url=where.database),
        endpoint=tuple(endpoints),
        dispatcher=DispatcherSettings(listen="127.0.0.1:0", hold=timedelta(minutes=1)),
        fileserver=FileserverSettings(links="open"),
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A dispatcher that is up."""

    address: str
    pid: int


@contextlib.asynccontextmanager
async def dispatching(where: Where) -> AsyncIterator[Running]:
    """A dispatcher for as long as it is needed."""
    companion = Companion(
        "bench.dispatching", str(where.folder), f"--endpoint={where.url}", f"--hanging={where.hanging}",
        f"--patience={where.patience}", f"--database={where.database}", f"--core={where.core}",
        f"--profile={where.profile}", f"--otlp={where.otlp}",
        *(() if where.is_measured else ("--without-metrics",)),
    )  # fmt: skip
    try:
        yield Running(await asyncio.to_thread(companion.line), companion.process.pid)
    finally:
        await asyncio.to_thread(companion.stop)


async def _serve(settings: Settings, otlp: str) -> None:
    health, tracing = Health(), configure_tracing(otlp or None, "dispatcher")
    dispatcher = Dispatcher.from_settings(settings, registry=CollectorRegistry(), tracing=tracing)
    tune_interpreter()
    task = asyncio.ensure_future(dispatcher.run(health.service("dispatcher")))
    await eventually(lambda: task.done() or health.report()["dispatcher"].ready, within=START_WITHIN)
    sys.stdout.write(f"{dispatcher.address}\n")
    sys.stdout.flush()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.to_thread(tracing.shutdown)


def _forget_metrics() -> None:
    """From here on metrics and the database's measure do nothing. For a bench alone: the product cannot do without."""
    for kind, names in ((Counter, ("inc",)), (Gauge, ("inc", "dec", "set")), (Histogram, ("observe",))):
        for name in names:
            setattr(kind, name, lambda *_arguments, **_options: None)
    MeasuredDatabase.write = lambda self, statements: self._database.write(statements)  # type: ignore[method-assign]  # this process measures nothing
    MeasuredDatabase.read = lambda self, sql, parameters=(): self._database.read(sql, parameters)  # type: ignore[method-assign]  # this process measures nothing


def main() -> None:
    """Be the dispatcher."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--endpoint", default="")
    parser.add_argument("--hanging", default="")
    parser.add_argument("--patience", type=float, default=1.0)
    parser.add_argument("--database", default="sqlite:")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--profile", default="", help="write cProfile's figures here")
    parser.add_argument("--otlp", default="", help="send traces there")
    parser.add_argument("--without-metrics", action="store_true", help="measure nothing, to see what that costs")
    options = parser.parse_args()
    if options.without_metrics:
        _forget_metrics()
    os.sched_setaffinity(0, {options.core})
    where = Where(
        folder=options.folder,
        core=options.core,
        url=options.endpoint,
        hanging=options.hanging,
        patience=options.patience,
        database=options.database,
    )
    profiler = cProfile.Profile() if options.profile else contextlib.nullcontext()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logging("json", "info", False, nowhere)
        with profiler:
            uvloop.run(_serve(settings_of(where), options.otlp))
    if isinstance(profiler, cProfile.Profile):
        profiler.dump_stats(options.profile)


if __name__ == "__main__":
    main()
