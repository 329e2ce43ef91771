"""The rules of alerts: each fires under its fault and not on a good day, and has a runbook.

Their faults are written in `rules/*.yml`, as promtool reads them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.chart.product_metrics import product_metrics
from tests.observation.prometheus import needs_prometheus, promtool
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = ROOT / "charts" / "switchhook" / "rules" / "switchhook.yml"
FAULTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))
GOOD_DAY = "good_day.yml"
# Made by Prometheus itself, or by the library for every process.
NOT_OURS = {"up"}


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def expectations(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Name and severity of the alerts that fire in these files; the severity is empty where none must fire."""
    for file in files:
        for each in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for test in each["alert_rule_test"]:
                yield from ((test["alertname"], alert["exp_labels"]["severity"]) for alert in test["exp_alerts"])
                if not test["exp_alerts"]:
                    yield test["alertname"], ""


@needs_prometheus
def test_prometheus_takes_the_rules() -> None:
    answer = promtool("check", "rules", "--lint-fatal", str(RULES))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@needs_prometheus
def test_prometheus_takes_the_configuration_of_compose(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    shutil.copy(RULES, tmp_path / "rules")
    config = (ROOT / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(config.replace("/etc/prometheus", str(tmp_path)), encoding="utf-8")
    answer = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"SUCCESS: {len(rules())} rules found" in answer.stdout


@needs_prometheus
@pytest.mark.parametrize("file", FAULTS, ids=lambda file: file.stem)
def test_alerts_fire_under_their_fault_and_not_before(file: Path) -> None:
    answer = promtool("test", "rules", str(file))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_has_a_fault_that_it_fires_under_and_a_good_day() -> None:
    wanted = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    fired = set(expectations([file for file in FAULTS if file.name != GOOD_DAY]))
    assert {(name, severity) for name, severity in fired if severity} == wanted
    good_day = set(expectations([file for file in FAULTS if file.name == GOOD_DAY]))
    assert good_day == {(name, "") for name, _ in wanted}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_how_bad_it_is_whose_fault_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["labels"]["fault"] in {"pbx", "endpoint", "machine", "switchhook"}
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert anchor == rule["alert"].lower()
    section = section_of((ROOT / document).read_text(encoding="utf-8"), rule["alert"])
    for question in ("**Means.**", "**Look.**", "**Do.**"):
        assert question in section, f"{rule['alert']} has no {question}"


def section_of(document: str, heading: str) -> str:
    found = re.search(rf"^### {heading}$(.*?)(?=^##|\Z)", document, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/operations.md has no section {heading}"
    return found[1]


def test_rules_ask_for_metrics_that_exist() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    names = {name for rule in rules() for name in re.findall(r"[a-z:_0-9]*switchhook_[a-z_0-9:]+", rule["expr"])}
    assert len(names) > 20
    assert names - recorded - product_metrics() == set()


def test_an_alert_is_on_the_age_of_work_and_not_on_its_amount() -> None:
    amounts = ("deliveries_pending", "deliveries_parked", "jobs_waiting", "events_held")
    assert [rule["alert"] for rule in alerts() if any(amount in rule["expr"] for amount in amounts)] == []
