"""The reference of all metrics as Markdown, made from the metrics themselves: `make docs`.

Every service's metrics are made for a configuration of one PBX, one endpoint and one sink; what their labels can be is
read from the children that exist from the start.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.dispatcher.metrics import DispatcherMetrics
from services.fileserver.metrics import FileserverMetrics
from services.monitor.metrics import MonitorMetrics
from services.recorder.metrics import RecorderMetrics
from services.registry import ServiceName
from switchhook.runtime.health import Health
from switchhook.runtime.vitals import Certificate, Place, Vitals, process_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric

_PROCESS = "every process"
_PBX, _ENDPOINT, _SINK = "a-pbx", "an-endpoint", "a-sink"
_CONFIGURED = {
    _PBX: "names of `[[pbx]]`",
    _ENDPOINT: "names of `[[endpoint]]`",
    _SINK: "addresses of `sinks`, or the sockets of this process",
}
_OF_THE_BUILD = {"version": "of Switchhook", "python": "of Python"}
_UNITS = {"seconds": "s", "bytes": "B", "ratio": "ratio", "info": "", "timestamp_seconds": "s since 1970"}

_INTRODUCTION = """\
# Metrics

<!-- Generated from the metrics of the services by `make docs`; changes here are overwritten. -->

Each process serves them at `/metrics` of its admin port (9464), as Prometheus text, or as OpenMetrics when `Accept`
asks for it: then with exemplars. One process with all four services serves all of them.

* Labels have values of fixed lists and names of the configuration, nothing else; every combination that can come is
  there from the start, at 0, so that a rate begins at its first event.
* Nothing is computed for a scrape. What only a table knows (the delivery that has been due longest, how many events are
  held, and what is pending where several dispatchers share a database) is read by index every 15 s.
* A counter's name ends in `_total`. A histogram `x` is served as `x_bucket`, `x_sum` and `x_count`; beside counters and
  histograms, `x_created` says when they began.
* **Exemplars**: `switchhook_delivery_latency_seconds_bucket` carries the `trace_id` of an event whose trace was
  sampled. Prometheus keeps them with `--enable-feature=exemplar-storage`.
* **Native histograms**: the Python client that Switchhook uses has none of its own. A Prometheus that knows
  `convert_classic_histograms_to_nhcb` (of its scrape configuration) makes native ones of these buckets; it must then
  also be told to keep the classic ones, which dashboards and alerts use.
* With several monitors, `switchhook_pbx_owned`, `switchhook_pbx_connected` and `switchhook_concurrent_calls` are 0 for
  the PBXs of the others: sum them up.
* With several recorders, each tells `switchhook_recorder_jobs_waiting` and `switchhook_recorder_oldest_job_age_seconds`
  of all of them: take the highest, not the sum. `switchhook_storage_bytes` is told by the one that purges, the others
  say 0. All else is each one's own.
"""


@dataclass(slots=True)
class Family:
    """One metric, under the name that Prometheus text announces; `values_by_label` in the order of their making."""

    name: str
    kind: str
    about: str
    services: list[str] = field(default_factory=list)
    values_by_label: dict[str, list[str]] = field(default_factory=dict)


def metrics_reference() -> str:
    """The whole document."""
    return "\n".join([_INTRODUCTION, *_tables(families())]) + "\n"


def families() -> dict[str, Family]:
    """Every metric by its name."""
    found: dict[str, Family] = {}
    for service, registry in registries().items():
        for metric in registry.collect():
            name = exposed_name(metric)
            family = found.setdefault(name, Family(name=name, kind=metric.type, about=metric.documentation))
            family.services.append(service)
            for label, values in _values(metric).items():
                known = family.values_by_label.setdefault(label, [])
                known += [value for value in values if value not in known]
    return found


def registries() -> Mapping[str, CollectorRegistry]:
    """The metrics of each service by its name, and those that every process has."""
    made: dict[str, CollectorRegistry] = {}
    for name in ServiceName:
        made[name.value] = CollectorRegistry()
        _MAKERS[name](made[name.value])
    process = made[_PROCESS] = process_registry()
    Vitals(
        process,
        services=[name.value for name in ServiceName],
        health=Health(),
        places=dict.fromkeys(Place, Path()),
        certificates=dict.fromkeys(Certificate, Path()),
    )
    return made


def exposed_name(metric: Metric) -> str:
    """A counter's own name lacks its suffix."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


_MAKERS: Mapping[ServiceName, Callable[[CollectorRegistry], object]] = {
    ServiceName.MONITOR: lambda registry: MonitorMetrics(registry, [_PBX], [_SINK]),
    ServiceName.DISPATCHER: lambda registry: DispatcherMetrics(registry, endpoints=[_ENDPOINT]),
    ServiceName.RECORDER: lambda registry: RecorderMetrics(registry, [_SINK]),
    ServiceName.FILESERVER: FileserverMetrics,
}


def _values(metric: Metric) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sample in metric.samples:
        for label, value in sample.labels.items():
            if label != "le" and value not in (known := found.setdefault(label, [])):
                known.append(value)
    return found


def _tables(by_name: Mapping[str, Family]) -> Iterator[str]:
    for service in (*(name.value for name in ServiceName), "several services", _PROCESS):
        mine = [family for family in by_name.values() if _place_of(family) == service]
        yield f"## {service.capitalize()}\n"
        yield "| name | type | unit | labels | meaning |"
        yield "|---|---|---|---|---|"
        for family in sorted(mine, key=lambda each: each.name):
            about = family.about if len(family.services) == 1 else f"{family.about} Of: {', '.join(family.services)}."
            yield f"| `{family.name}` | {family.kind} | {_unit(family.name)} | {_labels(family)} | {about} |"
        yield ""


def _place_of(family: Family) -> str:
    return family.services[0] if len(family.services) == 1 else "several services"


def _unit(name: str) -> str:
    bare = name.removesuffix("_total")
    return next((unit for ending, unit in reversed(_UNITS.items()) if bare.endswith(f"_{ending}")), "")


def _labels(family: Family) -> str:
    return "; ".join(f"`{label}`: {_choices(label, values)}" for label, values in family.values_by_label.items())


def _choices(label: str, values: list[str]) -> str:
    if label in _OF_THE_BUILD:
        return _OF_THE_BUILD[label]
    return ", ".join(_CONFIGURED.get(value, f"`{value}`" if value else "empty") for value in values)


if __name__ == "__main__":
    sys.stdout.write(metrics_reference())
