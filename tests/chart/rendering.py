"""Renders the chart with Helm's own engine, and finds what the product would be given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import helm_python
import yaml

from switchhook.settings import load_settings
from tests.chart.values_schema import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from switchhook.settings import Settings

    Thing = dict[str, Any]

RELEASE, NAMESPACE = "demo", "telephony"
NAME = f"{RELEASE}-switchhook"
WITH_PODS = {"Deployment", "StatefulSet", "Job", "Pod"}
SECRETS = "/etc/switchhook/secrets"


@cache
def chart() -> helm_python.Chart:
    """The chart, loaded once."""
    return helm_python.Chart.load(CHART)


def rendered(values: Mapping[str, Any]) -> list[Thing]:
    """Every object of an installation with these values."""
    files = chart().render(dict(values), name=RELEASE, namespace=NAMESPACE)
    texts = [text for path, text in files.items() if not path.endswith("NOTES.txt")]
    return [thing for text in texts for thing in yaml.safe_load_all(text) if thing]


def of_kind(things: list[Thing], *kinds: str) -> list[Thing]:
    """The objects of these kinds."""
    return [thing for thing in things if thing["kind"] in kinds]


def named(things: list[Thing], kind: str, name: str) -> Thing:
    """The one object of this kind and name."""
    (found,) = [thing for thing in things if (thing["kind"], thing["metadata"]["name"]) == (kind, name)]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOf:
    """The pod that an object makes."""

    owner: Thing
    labels: Mapping[str, str]
    spec: Thing

    @property
    def name(self) -> str:
        """Kind and name of the object."""
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def component(self) -> str:
        """The service that it runs."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Thing]:
        """All of them."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(things: list[Thing]) -> Iterator[PodOf]:
    """The pods of all objects."""
    for thing in of_kind(things, *WITH_PODS):
        pod = thing if thing["kind"] == "Pod" else thing["spec"]["template"]
        yield PodOf(owner=thing, labels=pod["metadata"]["labels"], spec=pod["spec"])


def configuration_of(pod: PodOf, things: list[Thing], folder: Path) -> Settings:
    """What the product makes of the pod's configuration, with every mounted secret as a file in `folder`."""
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    config = named(things, "Secret", volumes["config"]["secret"]["secretName"])
    text = config["stringData"]["switchhook.toml"].replace("/etc/switchhook", str(folder))
    for source in volumes.get("secrets", {}).get("projected", {}).get("sources", []):
        for item in source["secret"]["items"]:
            place = folder / "secrets" / item["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_some_secret(item["path"]), encoding="utf-8")
    if "tls" in volumes:
        (folder / "tls").mkdir(exist_ok=True)
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (folder / "tls" / name).write_text("PEM", encoding="utf-8")
    path = folder / f"{pod.component}.toml"
    path.write_text(text, encoding="utf-8")
    (container,) = pod.containers
    environ = {each["name"]: each["value"] for each in container["env"] if each["name"] != "SWITCHHOOK_CONFIG"}
    return load_settings(path, environ)


def _some_secret(path: str) -> str:
    if path.endswith("database/url"):
        return "postgresql://switchhook:password@database/switchhook\n"
    if path.startswith("recordings/"):
        return "00" * 32
    if path.startswith("endpoint-") and path.endswith("/secret"):
        return "whsec_c29tZSBzZWNyZXQgb2Ygc29tZSBsZW5ndGghIQ==\n"
    return "a-secret-that-is-long-enough\n"
