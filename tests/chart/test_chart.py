"""Every way to install the chart gives objects that Kubernetes takes and pods that the product can run in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import helm_python
import kubernetes_validate
import pytest
from typer.main import get_command

from services.__main__ import app
from services.commands.process import SHUTDOWN_BUDGET
from services.registry import ServiceName, wire
from tests.chart.matrix import FULL, MATRIX
from tests.chart.product_metrics import product_metrics
from tests.chart.readme import chart_readme, described_values
from tests.chart.rendering import configuration_of, named, of_kind, pods, rendered
from tests.chart.values_schema import CHART, default_values, paths_of, values_schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chart.rendering import PodOf, Thing

OLDEST, NEWEST = "1.25", "1.37"
# Kinds of others, whose schemas Kubernetes does not have.
FOREIGN = {
    "cert-manager.io/v1",
    "external-secrets.io/v1",
    "gateway.networking.k8s.io/v1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
}

every_way = pytest.mark.parametrize("way", MATRIX)


def services(things: list[Thing]) -> list[PodOf]:
    return [pod for pod in pods(things) if pod.component not in {"migrate", "test"}]


def names_of(component: str) -> list[ServiceName]:
    return list(ServiceName) if component == "all" else [ServiceName(component)]


@every_way
def test_kubernetes_takes_every_object(way: str) -> None:
    things = [thing for thing in rendered(MATRIX[way]) if thing["apiVersion"] not in FOREIGN]
    for thing in things:
        for version in (OLDEST, NEWEST):
            kubernetes_validate.validate(thing, version, strict=True)
    assert len(things) > 5


@every_way
def test_helm_has_nothing_to_complain_of(way: str) -> None:
    report = helm_python.lint(CHART, MATRIX[way], strict=True)
    assert report["errors"] == []
    assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}


@every_way
def test_each_pod_runs_what_the_product_has(way: str, tmp_path: Path) -> None:
    """The command, every key, every variable and every secret: as the product itself reads them."""
    things = rendered(MATRIX[way])
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]  # a group, which has them
    for pod in pods(things):
        for container in pod.containers:
            assert "command" not in container
            assert container["args"][0] in commands, pod.name
        if pod.component == "test":
            continue
        settings = configuration_of(pod, things, tmp_path)
        if pod.component != "migrate":
            args = pod.containers[0]["args"]
            assert args == ["run"] if pod.component == "all" else args == ["run", pod.component]
            if settings.pbx or pod.component != "all":
                wire(settings, names_of(pod.component))
        assert settings.data_dir.as_posix() == "/var/lib/switchhook"


@every_way
def test_ports_are_those_that_the_product_listens_on(way: str, tmp_path: Path) -> None:
    things = rendered(MATRIX[way])
    for pod in services(things):
        settings = configuration_of(pod, things, tmp_path)
        ports = {port["name"]: port["containerPort"] for port in pod.containers[0]["ports"]}
        expected = {"admin": settings.admin.listen}
        if pod.component == "dispatcher":
            expected["grpc"] = settings.dispatcher.listen
        if pod.component == "recorder":
            expected["grpc"] = settings.recorder.listen
        if pod.component in {"fileserver", "all"}:
            expected["http"] = settings.fileserver.listen
        assert {name: f":{port}" for name, port in ports.items()} == expected
        for sink in settings.monitor.sinks if pod.component == "monitor" else ():
            host, _, port = sink.rpartition(":")
            offered = named(things, "Service", host)["spec"]
            assert offered["clusterIP"] == "None"
            assert int(port) in {each["port"] for each in offered["ports"]}


@every_way
def test_every_pod_is_restricted(way: str) -> None:
    """Field by field what Kubernetes' restricted profile demands, and a root that nobody writes to."""
    for pod in pods(rendered(MATRIX[way])):
        spec = pod.spec
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), pod.name
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        allowed = {"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"}
        assert {key for volume in spec.get("volumes", []) for key in volume} - {"name"} <= allowed
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert {"requests", "limits"} == set(container["resources"])
            assert "memory" in container["resources"]["limits"]


@every_way
def test_a_pod_that_ends_has_time_for_what_is_under_way(way: str) -> None:
    for pod in services(rendered(MATRIX[way])):
        command = pod.containers[0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep(0)"])
        found = re.search(r"sleep\((\d+)\)", command[-1])
        assert found is not None
        assert pod.spec["terminationGracePeriodSeconds"] > int(found[1]) + SHUTDOWN_BUDGET.total_seconds()


@every_way
def test_what_selects_pods_selects_those_of_the_chart(way: str) -> None:
    things = rendered(MATRIX[way])
    labels = [pod.labels for pod in pods(things)]
    for thing in of_kind(things, "Service", "PodDisruptionBudget", "PodMonitor", "Deployment", "StatefulSet"):
        selector = thing["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= each.items() for each in labels), thing["metadata"]["name"]


def test_names_of_metrics_exist() -> None:
    things = rendered(FULL)
    texts = [
        str(trigger["metadata"]["query"])
        for thing in of_kind(things, "ScaledObject")
        for trigger in thing["spec"]["triggers"]
    ]
    (rule,) = of_kind(things, "PrometheusRule")
    rules = [each for group in rule["spec"]["groups"] for each in group["rules"]]
    texts += [each["expr"] for each in rules]
    used = {name for text in texts for name in re.findall(r"[a-z:]*switchhook_[a-z_:0-9]+", text)}
    used -= {each["record"] for each in rules if "record" in each}
    assert len(used) > 6
    assert used - product_metrics() == set()


def test_alerts_name_their_runbook() -> None:
    (rule,) = of_kind(rendered(FULL), "PrometheusRule")
    alerts = [each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each]
    assert all(each["annotations"]["runbook_url"].startswith("https://runbooks.example.com/") for each in alerts)
    (lost,) = (each for each in alerts if each["alert"] == "SwitchhookPbxLost")
    assert lost["annotations"]["summary"] == "The PBX {{ $labels.pbx }} is not followed"


def test_a_change_of_configuration_replaces_the_pods_that_it_concerns() -> None:
    def checksums(values: dict[str, Any]) -> dict[str, str]:
        kinds = of_kind(rendered(values), "Deployment", "StatefulSet")
        return {
            thing["metadata"]["name"].rpartition("-")[2]: thing["spec"]["template"]["metadata"]["annotations"][
                "checksum/config"
            ]
            for thing in kinds
        }

    before = checksums(MATRIX["several"])
    after = checksums(MATRIX["several"] | {"config": {"dispatcher": {"timeout": "9s"}}})
    assert {name for name in before if before[name] != after[name]} == {"dispatcher"}


def test_a_secret_is_mounted_where_it_is_needed_and_nowhere_else() -> None:
    things = rendered(FULL)

    def secrets(component: str) -> set[str]:
        (pod,) = [pod for pod in services(things) if pod.component == component]
        (volume,) = [volume for volume in pod.spec["volumes"] if volume["name"] == "secrets"]
        return {source["secret"]["name"] for source in volume["projected"]["sources"]}

    database = "switchhook-database"
    assert secrets("monitor") == {database, "pbx-main"}
    assert secrets("dispatcher") == {database, "links", "admin", "crm", "desk"}
    assert secrets("recorder") == {database, "pbx-main", "links", "admin"}
    assert secrets("fileserver") == {database, "links", "admin"}


def test_databases_are_migrated_before_an_upgrade_and_not_on_sqlite() -> None:
    (job,) = of_kind(rendered(FULL), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert not of_kind(rendered(MATRIX["sqlite"]), "Job")
    assert not of_kind(rendered(MATRIX["embedded"]), "Job")


def test_the_schema_and_the_readme_are_current() -> None:
    assert (CHART / "values.schema.json").read_text(encoding="utf-8") == values_schema(), "make docs"
    assert (CHART / "README.md").read_text(encoding="utf-8") == chart_readme(), "make docs"


def test_every_value_is_described() -> None:
    described = {each.path for each in described_values()}
    prefixes = {
        path: [path.rsplit(".", cut)[0] for cut in range(path.count(".") + 1)] for path in paths_of(default_values())
    }
    assert [path for path, above in prefixes.items() if not described & set(above)] == []
