"""What Prometheus answers to the panels of a dashboard, kept apart from how it is drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.observation.panels import Panel, chosen, dashboard, panels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.observation.prometheus import Prometheus, Series, Span

RATE = "15s"
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A series under the name that the legend gives it."""

    name: str
    series: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A panel, its series, and its exemplars as time and value."""

    panel: Panel
    series: Sequence[Named]
    exemplars: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A vertical line in every panel that has a time."""

    at: float
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A dashboard with its data."""

    title: str
    span: Span
    panels: Sequence[Answered]
    marks: Sequence[Mark]


async def sight_of(path: Path, prometheus: Prometheus, span: Span) -> Sight:
    """Ask everything that Grafana would ask for this dashboard."""
    content = dashboard(path)
    return Sight(
        title=content["title"],
        span=span,
        panels=[await _answered(panel, prometheus, span) for panel in panels(path, with_rows=True)],
        marks=[mark for each in content["annotations"]["list"] for mark in await _marks(each, prometheus, span)],
    )


async def _answered(panel: Panel, prometheus: Prometheus, span: Span) -> Answered:
    named: list[Named] = []
    exemplars: list[tuple[float, float]] = []
    for target in panel.targets:
        expr = _asked(target.expr, span)
        found = await (prometheus.now(expr, at=span.end) if target.is_instant else prometheus.over(expr, span))
        named += [Named(name=_name(target.legend, one), series=one) for one in found]
        if target.has_exemplars:
            kept = await prometheus.exemplars(expr, span)
            exemplars += [(float(one["timestamp"]), float(one["value"])) for one in kept]
    return Answered(panel=panel, series=named, exemplars=exemplars)


async def _marks(annotation: dict[str, object], prometheus: Prometheus, span: Span) -> list[Mark]:
    """The beginnings of what an annotation's query tells."""
    colour = str(annotation["iconColor"])
    found = await prometheus.over(_asked(str(annotation["expr"]), span), span)
    if annotation["useValueForTime"]:
        times = {value / 1000 for one in found for _, value in one.points}
    else:
        times = {at for one in found for at in _beginnings([at for at, _ in one.points], span.step)}
    return [Mark(at=at, colour=colour) for at in sorted(times) if span.start < at < span.end]


def _beginnings(times: Sequence[float], step: float) -> list[float]:
    return [at for place, at in enumerate(times) if place == 0 or at - times[place - 1] > 1.5 * step]


def _asked(expr: str, span: Span) -> str:
    return chosen(expr, interval=RATE, whole=f"{int(span.end - span.start)}s")


def _name(legend: str, series: Series) -> str:
    if legend in ("", "__auto"):
        return ", ".join(series.labels.values()) or "value"
    return _LABEL.sub(lambda found: series.labels.get(found[1], ""), legend).strip()
