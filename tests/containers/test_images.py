"""What is in the images, and what is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import switchhook
from tests.containers.conftest import TARGETS, TOLD
from tests.containers.engine import PYTHON_IMAGE, build_by_buildkit, inspected, revision, run
from tests.containers.sbom import bill_of_materials
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]

MEGABYTE = 1_000_000
# Beyond the base image, which is what it is: Python's own has 130 MB.
LARGEST = {"recorder": 320, "all": 320}
LARGEST_OF_OTHERS = 120
SHAPED_LIKE_SECRETS = re.compile(r"whsec_|whsk_|BEGIN [A-Z ]*PRIVATE KEY|(PASSWORD|SECRET|TOKEN)=\S")

each_image = pytest.mark.parametrize("target", TARGETS)


def in_image(image: str, program: str, *arguments: str) -> str:
    """What a program of the image says, as the image runs in production: read-only, without rights or network."""
    locked = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    return run("docker", "run", "--rm", *locked, "--entrypoint", program, image, *arguments).stdout


@each_image
def test_it_is_small(images: dict[str, str], target: str, record_property: Callable[[str, object], None]) -> None:
    size, base = (inspected(name)["Size"] / MEGABYTE for name in (images[target], PYTHON_IMAGE))
    record_property(TOLD, f"{images[target]}: {size:.0f} MB, of which {base:.0f} MB are {PYTHON_IMAGE}")
    assert size - base < LARGEST.get(target, LARGEST_OF_OTHERS)


def test_buildkit_builds_it_too(images: dict[str, str]) -> None:
    name = f"{images['monitor']}-by-buildkit"
    if reason := build_by_buildkit("monitor", name):
        pytest.skip(reason)
    try:
        assert inspected(name)["Config"]["User"] == inspected(images["monitor"])["Config"]["User"]
        assert in_image(name, "switchhook", "version").startswith(f"switchhook {switchhook.__version__}")
    finally:
        run("docker", "image", "rm", name)


@each_image
def test_it_runs_as_a_number_and_says_what_it_is(images: dict[str, str], target: str) -> None:
    config = inspected(images[target])["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Entrypoint"] == ["switchhook"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["version"] == switchhook.__version__
    assert labels["revision"] == revision()
    assert labels["licenses"] == "Apache-2.0"


@each_image
def test_it_runs_with_a_root_that_nobody_writes_to(images: dict[str, str], target: str) -> None:
    assert in_image(images[target], "switchhook", "version").startswith(f"switchhook {switchhook.__version__}")


@each_image
def test_it_holds_nothing_to_build_with_and_no_foreign_ffmpeg(images: dict[str, str], target: str) -> None:
    program = "import importlib.metadata as m; print(*sorted(d.metadata['Name'].lower() for d in m.distributions()))"
    packages = set(in_image(images[target], "python", "-I", "-c", program).split())
    assert not packages & {"pip", "wheel", "pytest", "mypy", "ruff"}
    assert ("imageio-ffmpeg" in packages) == (target in {"recorder", "all"})
    assert ("jinja2" in packages) == (target in {"dispatcher", "fileserver", "all"})


@each_image
def test_no_layer_holds_a_secret(images: dict[str, str], target: str) -> None:
    history = run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", images[target]).stdout
    environment = "\n".join(inspected(images[target])["Config"]["Env"])
    assert SHAPED_LIKE_SECRETS.search(history + environment) is None
    folders = ("/etc/switchhook", "/src", "/wheels")
    program = f"import os; print(*[n for d in {folders} for _, _, files in os.walk(d) for n in files])"
    assert in_image(images[target], "python", "-c", program).strip() == ""


@each_image
def test_its_bill_of_materials_names_what_is_pinned(images: dict[str, str], target: str) -> None:
    document = bill_of_materials(images[target])
    libraries = [each for each in document["components"] if not each.get("purl", "").startswith("pkg:deb/")]
    found = {(each["name"].lower().replace("_", "-"), each["version"]) for each in libraries}
    pins = [line.lower().replace("_", "-").split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()]
    versions = dict(pins)
    assert ("aiohttp", versions["aiohttp"]) in found
    assert {name for name, version in found if name in versions and version != versions[name]} == set()
    assert any(each.get("purl", "").startswith("pkg:deb/debian/libc6@") for each in document["components"])
