"""A service's image has what its extra names and no more: each service is loaded, and must find everything there."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import orjson
import pytest
from packaging.utils import canonicalize_name

from services.registry import ServiceName
from tests.repository.closure import closure_of
from tests.repository.tree import ROOT

# What is loaded on demand counts too: PostgreSQL and traces.
ALWAYS = ("services.__main__", "services.commands.process", "switchhook.telemetry.otlp")
WITH_DATABASE = ("switchhook.storage.postgres",)
LOADED = """
import importlib, importlib.metadata, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
owners = importlib.metadata.packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(*sorted({owner for top in tops for owner in owners.get(top, [])}), sep="\\n")
"""
# Its package shares a namespace (google) or a module's name with one that is needed.
# OpenTelemetry looks at psutil where it happens to be installed.
NAMESAKES = {"psutil", "googleapis-common-protos", "grpcio-tools", "setuptools"}


@pytest.mark.parametrize("name", [*ServiceName, "simulator"])
def test_a_service_loads_what_its_extra_names(name: str) -> None:
    modules = [*ALWAYS, "simulator.__main__"] if name == "simulator" else [*ALWAYS, f"services.{name}.service"]
    if name != "simulator":
        modules += WITH_DATABASE
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *modules], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {canonicalize_name(line) for line in answer.stdout.splitlines()}
    assert sorted(loaded - set(closure_of(_requirements(name))) - NAMESAKES - {"switchhook"}) == []


def test_a_service_that_serves_does_not_load_what_only_demonstrates() -> None:
    program = "import sys, orjson, services.__main__; sys.stdout.buffer.write(orjson.dumps(list(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = orjson.loads(answer.stdout)
    assert {"mutagen", "simulator", "jinja2", "asyncpg", "imageio_ffmpeg"} & set(loaded) == set()


def _requirements(extra: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"][extra]]
