"""The dashboards as they are shipped: their panels, and what their queries are once the variables are chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ROOT / "charts" / "switchhook" / "dashboards"
EVERYTHING = {"pbx": ".*", "endpoint": ".*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A query of a panel."""

    expr: str
    legend: str
    is_instant: bool
    has_exemplars: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel and what it says; `place` is x, y, width and height in the grid of 24 columns."""

    dashboard: str
    title: str
    kind: str
    place: tuple[int, int, int, int]
    targets: tuple[Target, ...]
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dashboard}: {self.title}"


def dashboard_paths() -> list[Path]:
    """The files."""
    return sorted(FOLDER.glob("*.json"))


def dashboard(path: Path) -> dict[str, Any]:
    """The content of a file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def panels(path: Path, *, with_rows: bool = False) -> list[Panel]:
    """The panels of a dashboard; its headings are panels of the kind `row`."""
    made = [_panel(path.stem, each) for each in dashboard(path)["panels"]]
    return [one for one in made if with_rows or one.kind != "row"]


def all_panels() -> list[Panel]:
    """Of all dashboards."""
    return [panel for path in dashboard_paths() for panel in panels(path)]


def chosen(expr: str, *, interval: str, whole: str, variables: Mapping[str, str] | None = None) -> str:
    """The query that Grafana would send: `interval` stands for what four scrapes take, `whole` for the time shown."""
    values = {"__rate_interval": interval, "__range": whole, **(EVERYTHING if variables is None else variables)}
    for name, value in values.items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr, expr
    return expr


def marks() -> Iterator[tuple[str, str]]:
    """Name and expression of every annotation, by dashboard."""
    for path in dashboard_paths():
        for each in dashboard(path)["annotations"]["list"]:
            yield f"{path.stem}: {each['name']}", each["expr"]


def _panel(name: str, content: dict[str, Any]) -> Panel:
    grid = content["gridPos"]
    return Panel(
        dashboard=name,
        title=content["title"],
        kind=content["type"],
        place=(grid["x"], grid["y"], grid["w"], grid["h"]),
        targets=tuple(_target(each) for each in content.get("targets", ())),
        content=content,
    )


def _target(content: Mapping[str, Any]) -> Target:
    return Target(
        expr=content["expr"],
        legend=content.get("legendFormat", ""),
        is_instant=content.get("instant", False),
        has_exemplars=content.get("exemplar", False),
    )
