"""The monitor that a bench measures: a process of its own on one core, with PBXs that exist and one sink.

    python -m bench.watching FOLDER --pbxs FILE --sink HOST:PORT [--database URL] [--core N] [--profile FILE]

FILE has the addresses of the PBXs as JSON. Prints the memory that it has before it begins (RSS, in bytes), then `ready`
when every PBX is followed, and ends with its standard input.
With a profile it may be told `profile`: from then on it takes note.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import sys
from pathlib import Path

import orjson
import uvloop
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from bench.processes import resident_bytes
from services.monitor.service import Monitor
from switchhook.runtime.health import Health
from switchhook.runtime.supervisor import run_services
from switchhook.settings import DatabaseSettings, MonitorSettings, PbxSettings, Settings
from switchhook.telemetry.logs import configure_logging

FOLLOWED_WITHIN = 180.0  # seconds
_LOOK_EVERY = 0.5  # seconds
_CONNECTED = "switchhook_pbx_connected"


def settings_of(options: argparse.Namespace) -> Settings:
    """The defaults, but for the PBXs and the sink."""
    urls = orjson.loads(options.pbxs.read_bytes())
    return Settings(
        data_dir=options.folder,
        database=DatabaseSettings(url=options.database),
        pbx=tuple(
            PbxSettings(name=f"pbx{number}", url=url, client_id="switchhook", client_secret=SecretStr("secret"))
            for number, url in enumerate(urls)
        ),
        monitor=MonitorSettings(sinks=(options.sink,)),
    )


async def _watch(settings: Settings, profiler: cProfile.Profile) -> None:
    registry, stop = CollectorRegistry(), asyncio.Event()
    monitor = Monitor.from_settings(settings, registry=registry)
    task = asyncio.ensure_future(run_services([monitor], health=Health(), stop=stop))

    async with asyncio.timeout(FOLLOWED_WITHIN):
        while not task.done() and _followed(registry) < len(settings.pbx):  # noqa: ASYNC110 - a metric has no event
            await asyncio.sleep(_LOOK_EVERY)  # every look reads all metrics, which is measured as well
    sys.stdout.write("ready\n")
    sys.stdout.flush()

    def listen() -> None:
        if sys.stdin.readline().strip() == "profile":
            profiler.enable()
        else:
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), listen)
    await task
    profiler.disable()


def _followed(registry: CollectorRegistry) -> float:
    """How many PBXs are followed."""
    return sum(one.value for metric in registry.collect() for one in metric.samples if one.name == _CONNECTED)


def main() -> None:
    """Be the monitor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pbxs", type=Path, required=True)
    parser.add_argument("--sink", required=True)
    parser.add_argument("--database", default="sqlite:")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--profile", default="", help="write cProfile's figures here")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    profiler = cProfile.Profile()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        configure_logging("json", "info", False, nowhere)
        sys.stdout.write(f"{resident_bytes('self')}\n")
        sys.stdout.flush()
        uvloop.run(_watch(settings_of(options), profiler))
    if options.profile:
        profiler.dump_stats(options.profile)


if __name__ == "__main__":
    main()
