"""How much the monitor needs for how many calls, and how soon it tells: the third part of `make bench`.

    python -m bench.monitoring [--quick] [--sizes 1x1000,1x5000,1x20000,500x20] [--seconds 30] [--profile FILE]

A size is PBXs times simultaneous calls on each. Every call lasts three minutes of real time. The PBXs are another
process on another core; the events are taken by this one. What is measured is the monitor's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from bench.latency import share_of
from bench.limits import fsync_milliseconds, loopback_milliseconds
from bench.noting import noting
from bench.processes import leave_core, measured_core, processor_seconds, resident_bytes, running, say
from bench.promptness import promptness
from tests.deadline import eventually

if TYPE_CHECKING:
    from bench.noting import Noted
    from bench.processes import Companion

SIZES = "1x1000,1x5000,1x20000,500x20"
_DRAINED = 1.0  # seconds for the last events of the time that is measured
_CAUGHT_UP_WITHIN = 120.0  # seconds
_QUIET = 0.3  # seconds
_SHARE_AIM = 0.05  # of one core, at 1,000 calls
_GROWTH_AIM = 1.3


@dataclass(frozen=True, slots=True)
class Size:
    """So many PBXs, and so many simultaneous calls on each."""

    pbxs: int
    calls: int

    def __str__(self) -> str:
        return f"{self.pbxs} x {self.calls:,} calls"

    @property
    def total(self) -> int:
        """Simultaneous calls."""
        return self.pbxs * self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How it is measured: on which processor, for how long, after how long without calls that begin in a crowd."""

    core: int
    seconds: float
    settled: float
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a size took: `seconds` of the processor in `time`."""

    time: float
    seconds: float
    frames: float

    @property
    def per_frame(self) -> float:
        """Processor seconds."""
        return self.seconds / self.frames


def sizes_of(text: str) -> list[Size]:
    """From `1x1000,500x20`."""
    found = [re.fullmatch(r"(\d+)x(\d+)", part) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError("a size is <PBXs>x<calls>, such as 1x1000")
    return [Size(int(one[1]), int(one[2])) for one in found if one is not None]


async def measure(size: Size, folder: Path, way: Way) -> Figures:
    """Fills the PBXs with calls while they are watched, then measures for a while; prints the figures."""
    async with AsyncExitStack() as stack:
        noted = await stack.enter_async_context(noting())
        report = folder / "report"
        pbxs = stack.enter_context(
            running("bench.switchboards", f"--pbxs={size.pbxs}", f"--calls={size.calls}", f"--report={report}")
        )
        urls = folder / "pbxs"
        await asyncio.to_thread(urls.write_text, await asyncio.to_thread(pbxs.line))
        monitor = stack.enter_context(
            running(
                *("bench.watching", str(folder), f"--pbxs={urls}", f"--sink={noted.address}"),
                *(f"--core={way.core}", f"--profile={way.profile}"),
            )
        )
        bare = int(await asyncio.to_thread(monitor.line))
        await asyncio.to_thread(monitor.line)
        pid = monitor.process.pid
        began_with = processor_seconds(pid)
        await _told(pbxs, "fill")
        await _caught_up(noted)
        await asyncio.sleep(way.settled)
        if way.profile:
            monitor.tell("profile")
        before, spent = orjson.loads(await _told(pbxs, "mark")), processor_seconds(pid)
        await asyncio.sleep(way.seconds)
        spent = processor_seconds(pid) - spent
        weight = resident_bytes(pid)
        after = orjson.loads(await _told(pbxs, "totals"))
        await asyncio.sleep(_DRAINED)
        await _told(pbxs, "report")
        reports = orjson.loads(await asyncio.to_thread(report.read_bytes))
    figures = Figures(time=after["at"] - before["at"], seconds=spent, frames=after["frames"] - before["frames"])
    gone = {name: after[name] - before[name] for name in after}
    told = promptness(reports, noted.events, since=before["at"], until=after["at"])
    ended = max(told.ended, 1)
    p50, p99, most = (share_of(told.waits, share) for share in (0.5, 0.99, 1.0))
    say(f"{size}: {after['live']:,.0f} live, {gone['played'] / figures.time:.1f} begun a second")
    say(f"  start {began_with:.1f} processor seconds; memory {weight / 1e6:.0f} MB, {bare / 1e6:.0f} MB before that:")
    say(f"  {(weight - bare) / size.total / 1000:.1f} kB per live call, the PBX's numbers and connections among it")
    say(f"  {figures.seconds / figures.time:.1%} of one core at {figures.frames / figures.time:.0f} frames a second:")
    say(f"  {figures.per_frame * 1000:.3f} processor seconds per 1,000 frames")
    say(f"  frame to sink: p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.0f} ms, of {len(told.waits)} events")
    say(
        f"  HTTP requests per call {gone['http_requests'] / ended:.2f}, reads over the socket per call"
        f" {gone['socket_requests'] / ended:.1f}; {told.ended} calls ended, {told.final_ends} ends told,"
        f" {told.unmatched} events unmatched"
    )
    say(
        f"  the PBXs' own process: {gone['processor_seconds'] / figures.time:.0%} of a core;"
        f" {gone['skipped']:.0f} calls could not begin"
    )
    return figures


async def _told(companion: Companion, command: str) -> str:
    companion.tell(command)
    return await asyncio.to_thread(companion.line)


async def _caught_up(noted: Noted) -> None:
    """The crowd's events have come: for a moment no more than calls that begin one by one bring."""
    last, since = 0, time.monotonic()

    def is_quiet() -> bool:
        nonlocal last, since
        now = time.monotonic()
        behind = bool(noted.events) and time.time() - noted.events[-1][1].observed_at.timestamp() > _QUIET
        if behind or len(noted.events) == last == 0:
            last, since = len(noted.events), now
        return now - since > _QUIET

    await eventually(is_quiet, within=_CAUGHT_UP_WITHIN, message="the monitor did not catch up")


async def compare(options: argparse.Namespace, folder: Path, core: int) -> None:
    """Every size after the other, then the aims."""
    say(f"limits: fsync {fsync_milliseconds(folder):.2f} ms, loopback round trip {loopback_milliseconds():.3f} ms")
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the run; monitor on processor {core}")
    figures: dict[Size, Figures] = {}
    for number, size in enumerate(options.sizes):
        own = folder / str(number)
        own.mkdir()
        profile = f"{options.profile}.{size.pbxs}x{size.calls}" if options.profile else ""
        settled = 0.5 if options.quick else 5.0
        way = Way(core=core, seconds=options.seconds, settled=settled, profile=profile)
        figures[size] = await measure(size, own, way)
    few, many = figures.get(Size(1, 1000)), figures.get(Size(1, 20_000))
    if few is not None:
        share = few.seconds / few.time
        say(f"at 1,000 calls {share:.1%} of one core (aim below {_SHARE_AIM:.0%})")
    if few is not None and many is not None:
        growth = many.per_frame / few.per_frame
        say(f"cost per frame at 20,000 calls: {growth:.2f} of that at 1,000 (aim at most {_GROWTH_AIM})")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--sizes", type=sizes_of, default=None, help=f"PBXs x calls, unless {SIZES}")
    parser.add_argument("--seconds", type=float, default=None, help="how long each size is measured, unless 30")
    parser.add_argument("--profile", default="", help="write cProfile's figures here, a file for each size")
    options = parser.parse_args()
    options.sizes = options.sizes or sizes_of("1x60,3x20" if options.quick else SIZES)
    options.seconds = options.seconds or (2.0 if options.quick else 30.0)
    core, began = measured_core(), time.monotonic()
    leave_core(core)
    with tempfile.TemporaryDirectory(prefix="switchhook-bench-") as folder:
        uvloop.run(compare(options, Path(folder), core))
    say(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
