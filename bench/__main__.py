"""`make bench`: calls through all four services, from the PBX's frame to the receiver's first byte.

    python -m bench [--rate 200] [--seconds 20] [--speed 4] [--embedded] [--patience 600]

PBX, receiver and product are processes of their own on this machine and share its processors.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from bench.account import Account, settle
from bench.limits import fsync_milliseconds, loopback_milliseconds
from bench.processes import Companion, processor_seconds, say
from tests.acceptance.product import Product

_TABLES = """
[[pbx]]
name = "bench"
url = "{pbx}"
client_id = "switchhook"
client_secret = "secret"
[[endpoint]]
name = "bench"
url = "http://127.0.0.1:{port}/"
format = "post"
allow_private = ["127.0.0.0/8"]
[telemetry]
log_level = "warning"
"""


def read_webhooks(path: Path) -> list[tuple[float, dict[str, Any]]]:
    """What the receiver noted."""
    lines = [line.partition(b" ") for line in path.read_bytes().splitlines()]
    return [(float(at), orjson.loads(body)) for at, _, body in lines]


async def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    pace = (f"--rate={arguments.rate}", f"--seconds={arguments.seconds}", f"--speed={arguments.speed}")
    pbx = Companion("bench.pbx", *pace, f"--report={folder / 'pbx'}")
    sink = Companion("bench.sink", f"--report={folder / 'sink'}")
    tables = _TABLES.format(pbx=orjson.loads(pbx.line())["url"], port=sink.line())
    say(f"limits: fsync {fsync_milliseconds(folder):.2f} ms, loopback round trip {loopback_milliseconds():.3f} ms")
    async with Product(folder, tables, split=not arguments.embedded) as product:
        watched = {"pbx": pbx.process.pid, "receiver": sink.process.pid, **product.pids}
        before = {name: processor_seconds(pid) for name, pid in watched.items()}
        pbx.tell("go")
        await asyncio.to_thread(pbx.line)
        report = orjson.loads((folder / "pbx").read_bytes())
        during = {name: processor_seconds(pid) - before[name] for name, pid in watched.items()}
        began = time.monotonic()
        account = await _drained(report, folder / "sink", arguments.patience)
        drained = time.monotonic() - began
        converting = sum(processor_seconds(pid, children=True) for pid in product.pids.values())
    _tell(account, report, during)
    links = account.sent["recording"]
    say(f"recordings: {links / (report['took'] + drained):.0f}/s, the last one {drained:.0f} s after the last call;")
    say(f"  {converting:.1f} processor seconds of ffmpeg, {converting / max(links, 1) * 1000:.0f} ms each")
    pbx.stop()
    sink.stop()


async def _drained(report: dict[str, Any], path: Path, patience: float) -> Account:
    """The account once everything has come, or nothing more is to be hoped for."""
    deadline = time.monotonic() + patience
    while True:
        account = await asyncio.to_thread(settle, report["frames"], report["plays"], read_webhooks(path))
        if account.received.total() >= account.sent.total() or time.monotonic() > deadline:
            return account
        await asyncio.sleep(2)


def _tell(account: Account, report: dict[str, Any], during: dict[str, float]) -> None:
    calls = len(report["plays"])
    say(f"calls: {calls} in {report['took']:.1f} s ({calls / report['took']:.0f}/s), {report['skipped']} skipped")
    for kind, sent in sorted(account.sent.items()):
        times = sorted(one for one, _, event in account.late if event.startswith(kind + " "))
        slowest = f", p99 {times[len(times) * 99 // 100] * 1000:.1f} ms" if times else ""
        say(f"  {kind:<10} {account.received[kind]:>6} received of {sent:>6} sent{slowest}")
    say(f"events received of events sent: {account.received.total()} of {account.sent.total()}")
    cuts = statistics.quantiles(account.latencies, n=1000)
    p50, p99, most = cuts[499] * 1000, cuts[989] * 1000, max(account.latencies) * 1000
    say(f"from the PBX's frame to the receiver's first byte: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {most:.0f} ms")
    say(f"  over {len(account.latencies)} events; {account.unmatched} could not be matched with a frame")
    began = report["frames"][0]["at"]
    for latency, frame_at, event in sorted(account.late, reverse=True)[:3]:
        say(f"  latest: {event} at {frame_at - began:.2f} s, {latency * 1000:.0f} ms")
    ours = [name for name in during if name not in ("pbx", "receiver")]
    each = ", ".join(f"{name} {during[name]:.1f}" for name in during)
    say(f"processor seconds while the calls lasted: {each}")
    say(
        f"processor seconds per 1,000 calls, without conversions: {sum(during[one] for one in ours) / calls * 1000:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=int, default=200, help="calls a second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--speed", type=float, default=4.0, help="how much faster than life each call goes")
    parser.add_argument("--embedded", action="store_true", help="one process instead of four")
    parser.add_argument("--patience", type=float, default=600.0, help="longest wait for the last recording, in seconds")
    folder = Path(tempfile.mkdtemp(prefix="switchhook-bench-"))
    try:
        asyncio.run(_measure(parser.parse_args(), folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
