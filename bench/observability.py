"""What metrics and traces cost, as a share of the processor time of what they watch: the last part of `make bench`.

    python -m bench.observability [--quick] [--rounds 20] [--count 1000]

Dispatchers, because nothing counts as much for an event as they do: one without metrics (they do nothing there, which
only a bench can make them), one with metrics, and two that trace besides, a tenth of all calls and all of them. They
deliver in turns, on one core; the producer, the receiver and the collector of the traces are on the other. Then what a
scrape takes, and what an event's metrics and traces take in the monitor, in loops.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from bench.dispatching import Where, dispatching
from bench.processes import leave_core, measured_core, running, say
from bench.publishing import new_events
from bench.receiving import receiving
from bench.throughput import one_round
from services.commands.metrics_reference import registries
from services.monitor.call_spans import CallSpans
from services.monitor.metrics import MonitorMetrics
from switchhook.telemetry.tracing import configure_tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.dispatching import Running
    from bench.receiving import Receiver

_AIM = 0.05
_SCRAPE_EVERY = 15.0  # seconds, as Prometheus is configured by compose and chart


@dataclass(frozen=True, slots=True)
class Variant:
    """A dispatcher that is compared with the one before it; a share of all calls is traced."""

    name: str
    is_measured: bool = True
    traced: float = 0.0


OFF = Variant("neither", is_measured=False)
METRICS = Variant("metrics")
TENTH = Variant("metrics, and traces of 10 %", traced=0.1)
ALL = Variant("metrics, and traces of all calls", traced=1.0)
VARIANTS = (OFF, METRICS, TENTH, ALL)


async def in_dispatchers(folder: Path, *, core: int, rounds: int, count: int, otlp: str) -> None:
    """Prints the processor time of a delivery in each variant, and the shares."""
    async with AsyncExitStack() as stack:
        receiver = stack.enter_context(receiving(folder, "observed"))
        dispatchers = {
            variant: await stack.enter_async_context(dispatching(_where(variant, folder, receiver.url, core, otlp)))
            for variant in VARIANTS
        }
        for dispatcher in dispatchers.values():
            await one_round(receiver, dispatcher, max(count // 5, 1))  # warms up
        costs: dict[Variant, list[float]] = {variant: [] for variant in VARIANTS}
        for number in range(rounds):
            # Each other round the other way, so that nobody is always the first.
            for variant in VARIANTS if number % 2 else reversed(VARIANTS):
                costs[variant].append(await _cost(receiver, dispatchers[variant], count, variant))
    _tell(costs, count=count)


async def _cost(receiver: Receiver, dispatcher: Running, count: int, variant: Variant) -> float:
    return (await one_round(receiver, dispatcher, count, traced=variant.traced)).cost


def _where(variant: Variant, folder: Path, url: str, core: int, otlp: str) -> Where:
    name = variant.name.replace(" ", "-").replace("%", "").replace(",", "")
    return Where(
        folder=folder / name,
        core=core,
        url=url,
        otlp=otlp if variant.traced else "",
        is_measured=variant.is_measured,
    )


def _tell(costs: Mapping[Variant, Sequence[float]], *, count: int) -> None:
    say(f"processor time of one delivery, {len(costs[OFF])} alternating rounds of {count:,}: cheaper half, and median")
    for variant, each in costs.items():
        say(f"  {variant.name}: {_cheaper_half(each) * 1e6:.1f} µs, {statistics.median(each) * 1e6:.1f} µs")
    metrics, tenth, whole = (_shares(costs, *pair) for pair in ((OFF, METRICS), (METRICS, TENTH), (METRICS, ALL)))
    say(f"  metrics take {metrics} of the processor time (aim < {_AIM:.0%})")
    say(f"  traces of 10 % take {tenth} (aim < {_AIM:.0%}), of all calls {whole}")


def _shares(costs: Mapping[Variant, Sequence[float]], without: Variant, of: Variant) -> str:
    half, middle = (1 - told(costs[without]) / told(costs[of]) for told in (_cheaper_half, statistics.median))
    return f"{half:.1%} ({middle:.1%})"


def _cheaper_half(costs: Sequence[float]) -> float:
    """The mean of the cheaper half of the rounds: other programs on the machine only add to them."""
    return statistics.mean(sorted(costs)[: (len(costs) + 1) // 2])


def scrape() -> None:
    """Prints what serving `/metrics` of a process with all four services takes."""
    together = list(registries().values())
    began = time.process_time()
    size = sum(len(generate_latest(registry)) for registry in together)
    took = time.process_time() - began
    say(f"a scrape of all metrics: {took * 1e3:.1f} ms for {size / 1e3:.0f} kB,")
    say(f"  every {_SCRAPE_EVERY:.0f} s that is {took / _SCRAPE_EVERY:.3%} of one core")


def in_the_monitor(otlp: str, *, count: int) -> None:
    """Prints what is added to each event."""
    events = list(new_events(count))
    now = datetime.now(UTC)
    metrics = MonitorMetrics(CollectorRegistry(), ["main"], ())
    began = time.process_time()
    for event in events:
        metrics.published(event, at=now)
    say(f"the monitor: {(time.process_time() - began) / count * 1e6:.1f} µs an event for metrics,")
    for name, share in (("10 %", 0.1), ("all calls", 1.0)):
        tracing = configure_tracing(otlp, "monitor", share=share)
        spans = CallSpans(tracing, lambda: now)
        began = time.process_time()
        for start in range(0, count, 4):
            told = spans.traced(events[start : start + 4])
            with spans.kept(told):
                pass
        say(f"  {(time.process_time() - began) / count * 1e6:.1f} µs for traces of {name}, sending them included")
        tracing.shutdown()


@contextmanager
def collecting() -> Iterator[str]:
    """The address of a collector of traces, a process of its own."""
    with running("bench.collector") as collector:
        yield collector.line()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=1_000, help="deliveries in a round")
    options = parser.parse_args(arguments)
    rounds, count = (1, 200) if options.quick else (options.rounds, options.count)
    core, began = measured_core(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="switchhook-bench-") as folder:
        leave_core(core)
        with collecting() as otlp:
            uvloop.run(in_dispatchers(Path(folder), core=core, rounds=rounds, count=count, otlp=otlp))
            scrape()
            in_the_monitor(otlp, count=count)
    say(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
