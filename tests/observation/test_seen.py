"""What a real Prometheus sees of a demonstration with faults: every panel has data, alerts fire under their fault."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.observation.course import Pace, course
from tests.observation.panels import all_panels, chosen, marks
from tests.observation.prometheus import needs_prometheus, promtool

if TYPE_CHECKING:
    from tests.observation.prometheus import Span

pytestmark = [needs_prometheus, pytest.mark.timeout(400)]
PACE = Pace(calm=10, trouble=20, mended=8)
RATE = "8s"  # eight scrapes
# Queries that have no series in this course, and why.
EMPTY = {
    "services: Refused, by reason": "no database refuses anything here",
    "services: Time until certificates and tokens run out #0": "no certificate is configured here",
}
# How full the disk of this machine is, is not of the course.
MACHINE = {"SwitchhookStorageFilling", "SwitchhookStorageFull"}
# The others need hours, a full disk or a broken part; their faults are in rules/*.yml.
FIRED = {
    "SwitchhookPbxLost",
    "SwitchhookCallsUnreported",
    "SwitchhookEndpointDown",
    "SwitchhookEndpointPaused",
    "SwitchhookDeliveriesDead",
    "SwitchhookDeliveriesLate",
    "SwitchhookRecordingsFailing",
    "SwitchhookServiceDown",
    "SwitchhookServiceMissing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The answers: errors and numbers of series by query, alerts by name, what promtool says of each exposition."""

    errors: dict[str, str]
    series: dict[str, int]
    in_calm: set[str]
    in_trouble: dict[str, list[dict[str, str]]]
    unhealthy: dict[str, str]
    lint: dict[str, str]
    exemplars: set[str]
    traces: set[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything that the tests look at, of one course."""
    return asyncio.run(_seen(tmp_path_factory))


async def _seen(folders: pytest.TempPathFactory) -> Seen:
    async with course(folders.mktemp("seen")) as running:
        await running.run(PACE, wanted=FIRED)
        span = running.span()
        errors: dict[str, str] = {}
        series: dict[str, int] = {}
        for name, expr in _queries(span):
            try:
                series[name] = len(await running.prometheus.over(expr, span))
            except AssertionError as error:
                errors[name] = str(error)
        expositions = {name: await running.product.metrics(name) for name in running.product.admin_ports}
        rules = await running.prometheus.rules()
        exemplars = await running.prometheus.exemplars("switchhook_delivery_latency_seconds_bucket", span)
        return Seen(
            errors=errors,
            series=series,
            in_calm=set(running.in_calm),
            in_trouble=running.in_trouble,
            unhealthy={rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"},
            lint={name: _lint(text) for name, text in expositions.items()},
            exemplars={one["labels"]["trace_id"] for one in exemplars},
            traces={span.trace_id.hex() for span in running.collector.spans},
        )


def _queries(span: Span) -> list[tuple[str, str]]:
    whole = f"{int(span.end - span.start)}s"
    queries = [
        (f"{panel.name} #{place}" if len(panel.targets) > 1 else panel.name, target.expr)
        for panel in all_panels()
        for place, target in enumerate(panel.targets)
    ]
    return [(name, chosen(expr, interval=RATE, whole=whole)) for name, expr in [*queries, *marks()]]


def _lint(exposition: str) -> str:
    answer = promtool("check", "metrics", text=exposition)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def test_every_query_is_understood(seen: Seen) -> None:
    assert seen.errors == {}


def test_every_query_has_data(seen: Seen) -> None:
    assert {name for name, count in seen.series.items() if not count} == set(EMPTY)


def test_no_alert_fires_before_anything_is_wrong(seen: Seen) -> None:
    assert seen.in_calm - MACHINE == set()


def test_alerts_fire_under_their_fault_and_no_others(seen: Seen) -> None:
    assert set(seen.in_trouble) - MACHINE == FIRED


@pytest.mark.parametrize(
    ("alert", "labels"),
    [
        ("SwitchhookPbxLost", {"pbx": "branch", "fault": "pbx"}),
        ("SwitchhookCallsUnreported", {"pbx": "lab", "fault": "switchhook"}),
        ("SwitchhookEndpointDown", {"endpoint": "desk", "fault": "endpoint"}),
        ("SwitchhookEndpointPaused", {"endpoint": "partner", "fault": "endpoint"}),
        ("SwitchhookDeliveriesDead", {"endpoint": "crm", "fault": "endpoint"}),
        ("SwitchhookServiceMissing", {"service": "fileserver", "fault": "machine"}),
    ],
)
def test_an_alert_names_what_is_at_fault_and_nothing_else(alert: str, labels: dict[str, str], seen: Seen) -> None:
    assert seen.in_trouble[alert]
    for fired in seen.in_trouble[alert]:
        assert labels.items() <= fired.items()


def test_every_rule_can_be_evaluated(seen: Seen) -> None:
    assert seen.unhealthy == {}


def test_metrics_are_as_prometheus_wants_them(seen: Seen) -> None:
    assert set(seen.lint) == {"monitor", "dispatcher", "recorder", "fileserver"}
    assert {name: text for name, text in seen.lint.items() if text} == {}


def test_an_exemplar_opens_a_trace_that_was_sent(seen: Seen) -> None:
    assert seen.exemplars
    assert seen.exemplars & seen.traces


def test_what_may_be_empty_is_a_query() -> None:
    names = {panel.name for panel in all_panels()}
    assert {name.partition(" #")[0] for name in EMPTY} <= names
