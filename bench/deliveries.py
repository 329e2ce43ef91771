"""What the dispatcher alone can do: one process on one core, a receiver and a producer in other processes.

    python -m bench.deliveries [--quick] [--parts throughput,latency,parked,growth] [--database sqlite] [--profile FILE]

Throughput beside a bare client, latency, what an endpoint that hangs costs the others and the memory, and whether a
large table is slower than a small one. `--quick` only shows that it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.growth import as_it_grows
from bench.latency import from_intake
from bench.limits import fsync_milliseconds, loopback_milliseconds
from bench.parked import beside_parked
from bench.processes import leave_core, measured_core, say
from bench.throughput import against_bare_client
from tests.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PARTS = ("throughput", "latency", "parked", "growth")
DATABASES = ("sqlite", "postgres")
HEALTHY_RATE = 300.0  # events a second


async def measure(options: argparse.Namespace, folder: Path, databases: Mapping[str, str], core: int) -> None:
    """The parts that were asked for, one after another."""
    is_quick = options.quick
    say(f"limits: fsync {fsync_milliseconds(folder):.2f} ms, loopback round trip {loopback_milliseconds():.3f} ms")
    load = os.getloadavg()[0]
    say(f"{os.cpu_count()} processors, load {load:.1f} before the run; dispatcher and bare client on processor {core}")
    rounds = 1 if is_quick else 3
    if "throughput" in options.parts:
        say("durable deliveries per second, everything at once")
        await against_bare_client(
            folder, databases, core=core, count=300 if is_quick else 6_000, rounds=rounds, profile=options.profile
        )
    if "latency" in options.parts:
        say(f"intake to first byte at {options.rate:.0f} events a second")
        await from_intake(folder, databases, core=core, rate=options.rate, seconds=1 if is_quick else 8)
    if "parked" in options.parts:
        say("an endpoint that hangs")
        parked, seconds, patience = (1_000, 1.0, 6.0) if is_quick else (100_000, 8.0, 15.0)
        await beside_parked(
            folder,
            core=core,
            parked=parked,
            rate=HEALTHY_RATE,
            seconds=seconds,
            rounds=min(rounds, 2),
            patience=patience,
        )
    if "growth" in options.parts:
        say("rows in the table")
        sizes = [1_000, 10_000] if is_quick else [10_000, 100_000, 1_000_000]
        await as_it_grows(folder, databases, sizes, core=core, count=300 if is_quick else 5_000, rounds=rounds)


@contextlib.contextmanager
def databases_of(names: list[str]) -> Iterator[Mapping[str, str]]:
    """Their addresses; a private PostgreSQL syncs its commits, as SQLite does."""
    urls = {"SQLite": "sqlite:"} if "sqlite" in names else {}
    if "postgres" not in names:
        yield urls
        return
    cluster = Cluster({})
    try:
        cluster.start()
        yield urls | {"PostgreSQL": cluster.url()}
    finally:
        cluster.remove()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - {*PARTS, *DATABASES}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--rate", type=float, default=500.0, help="events a second, where latency is measured")
    parser.add_argument("--profile", default="", help="write cProfile's figures of SQLite's throughput here")
    parser.add_argument("--parts", type=_names, default=list(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--database", type=_names, default=list(DATABASES), help="sqlite, postgres or both")
    options = parser.parse_args()
    core, began = measured_core(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="switchhook-bench-") as folder, databases_of(options.database) as databases:
        leave_core(core)  # PostgreSQL was started before, and may use all of them
        uvloop.run(measure(options, Path(folder), databases, core))
    say(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
