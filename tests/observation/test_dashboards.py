"""The dashboards as files: whole, described, linked, and asking for what there is."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from charts.dashboards.__main__ import dashboard_files
from tests.chart.matrix import FULL
from tests.chart.product_metrics import product_metrics
from tests.chart.rendering import of_kind, rendered
from tests.observation.panels import FOLDER, Panel, all_panels, dashboard, dashboard_paths, marks, panels
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"overview", "deliveries", "recordings", "services"}
SVG = "{http://www.w3.org/2000/svg}"
FOREIGN = {"up", "ALERTS"}
every_dashboard = pytest.mark.parametrize("path", dashboard_paths(), ids=lambda path: path.stem)
every_panel = pytest.mark.parametrize("panel", all_panels(), ids=lambda panel: panel.name)


def test_the_files_are_those_that_their_sources_make() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in dashboard_paths()} == dashboard_files(), "make docs"
    assert {path.stem for path in dashboard_paths()} == NAMES


@every_dashboard
def test_grafana_knows_every_field(path: Path) -> None:
    """What the schema of Grafana reads of a file and writes again is in the file."""
    content = dashboard(path)
    again = Dashboard.from_json(content)
    assert (again.uid, again.title) == (content["uid"], content["title"])
    assert [panel.title for panel in again.panels or ()] == [panel["title"] for panel in content["panels"]]


@every_panel
def test_a_panel_has_a_unit_and_says_what_it_shows(panel: Panel) -> None:
    assert panel.content["fieldConfig"]["defaults"]["unit"]
    assert len(panel.content["description"]) > 30
    assert panel.targets
    assert panel.content["datasource"]["uid"] == "${datasource}"


@every_dashboard
def test_panels_stand_side_by_side_and_in_full_rows(path: Path) -> None:
    seen = panels(path, with_rows=True)
    for one, other in combinations(seen, 2):
        assert not _overlap(one.place, other.place), (one.title, other.title)
    widths: dict[int, int] = {}
    for panel in seen:
        widths[panel.place[1]] = widths.get(panel.place[1], 0) + panel.place[2]
    assert set(widths.values()) == {24}, widths
    assert len({panel.content["id"] for panel in seen}) == len(seen)


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


@every_dashboard
def test_variables_annotations_and_links(path: Path) -> None:
    content = dashboard(path)
    assert [one["name"] for one in content["templating"]["list"]] == ["datasource", "pbx", "endpoint"]
    assert {"Restarts", "Breaker"} <= {one["name"] for one in content["annotations"]["list"]}
    (link,) = content["links"]
    assert (link["type"], link["keepTime"], link["includeVars"]) == ("dashboards", True, True)
    assert set(link["tags"]) <= set(content["tags"])


def test_what_has_exemplars_is_asked_for_them() -> None:
    """And a panel that promises a dot asks for what has one."""
    for panel in all_panels():
        asked = any(target.has_exemplars for target in panel.targets)
        assert asked == ("A dot is one webhook" in panel.content["description"]), panel.name
        assert not asked or "switchhook_delivery_latency_seconds_bucket" in panel.targets[0].expr
    assert {panel.dashboard for panel in all_panels() if panel.targets[0].has_exemplars} >= {"overview", "deliveries"}


def test_queries_ask_for_metrics_that_exist() -> None:
    known = product_metrics() | FOREIGN
    asked = [expr for panel in all_panels() for expr in (target.expr for target in panel.targets)]
    asked += [expr for _, expr in marks()]
    names = {name for expr in asked for name in re.findall(r"\b(?:switchhook|process)_[a-z_]+", expr)}
    assert len(names) > 30
    assert names - known == set()


def test_every_runbook_that_a_panel_names_is_an_alert() -> None:
    rules = (ROOT / "charts/switchhook/rules/switchhook.yml").read_text(encoding="utf-8")
    named = {name for panel in all_panels() for name in re.findall(r"Switchhook[A-Z]\w+", panel.content["description"])}
    assert len(named) > 5
    assert [name for name in named if f"alert: {name}\n" not in rules] == []


def test_the_chart_brings_the_same_files_where_the_sidecar_looks() -> None:
    found = {
        name: (text, thing["metadata"])
        for thing in of_kind(rendered(FULL), "ConfigMap")
        for name, text in thing["data"].items()
        if name.endswith(".json")
    }
    assert {name: text for name, (text, _) in found.items()} == {
        path.name: path.read_text(encoding="utf-8") for path in dashboard_paths()
    }
    assert all(metadata["labels"]["grafana_dashboard"] == "1" for _, metadata in found.values())
    assert all(metadata["annotations"]["grafana_folder"] == "Switchhook" for _, metadata in found.values())


def test_compose_mounts_dashboards_and_rules_from_the_chart() -> None:
    services = _yaml("docker-compose.yml")["services"]
    assert "./charts/switchhook/dashboards:/dashboards:ro" in services["grafana"]["volumes"]
    (provider,) = _yaml("compose/grafana/provisioning/dashboards/switchhook.yml")["providers"]
    assert provider["options"]["path"] == "/dashboards"
    assert FOLDER == ROOT / "charts/switchhook/dashboards"
    (mounted,) = (one for one in services["prometheus"]["volumes"] if one.startswith("./charts/switchhook/rules:"))
    config = _yaml("compose/prometheus.yml")
    assert config["rule_files"] == [f"{mounted.split(':')[1]}/*.yml"]
    assert "--enable-feature=exemplar-storage" in services["prometheus"]["command"]
    (source,) = _yaml("compose/grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    assert source["jsonData"]["exemplarTraceIdDestinations"][0]["name"] == "trace_id"


def test_compose_and_chart_call_the_component_of_a_target_the_same() -> None:
    """`service` is a label of the metrics: a target's label of that name would push it aside."""
    (scrape,) = _yaml("compose/prometheus.yml")["scrape_configs"]
    (monitor,) = of_kind(rendered(FULL), "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    targets = {one["target_label"] for one in scrape["relabel_configs"]}
    assert targets == {one["targetLabel"] for one in endpoint["relabelings"]} == {"component"}


@every_dashboard
def test_its_picture_is_of_these_panels(path: Path) -> None:
    picture = ROOT / "docs" / "images" / f"{path.stem}.svg"
    assert picture.stat().st_size < 150_000
    texts = {element.text for element in ElementTree.parse(picture).iter(f"{SVG}text")}
    assert {panel.title for panel in panels(path, with_rows=True)} - texts == set(), "make pictures"


def test_pictures_are_shown() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"images/{name}.svg" not in shown] == []


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
