"""What is generated, pinned or promised agrees with what it comes from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

import switchhook
from services.commands.metrics_reference import metrics_reference
from services.commands.reference import configuration_reference
from services.commands.webhook_examples import document_with_examples
from switchhook.settings import load_settings
from tests.repository.closure import pinned_closure
from tests.repository.tree import ROOT, repository_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BIN = os.path.dirname(sys.executable)  # noqa: PTH120 - the folder of the link, not of what it points to
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
PROTO = "proto/switchhook/v1/events.proto"
OUTPUTS = ("--python_out", "--grpc_python_out", "--mypy_out", "--mypy_grpc_out")


def test_generated_python_is_that_of_the_proto_file(tmp_path: Path) -> None:
    outputs = [f"{option}={tmp_path}" for option in OUTPUTS]
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=proto", *outputs, PROTO]
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True)
    fresh = {path.name: path.read_text() for path in (tmp_path / "switchhook" / "v1").iterdir()}
    committed = {name: (ROOT / "switchhook" / "v1" / name).read_text() for name in fresh}
    assert committed == fresh, "make proto"


def test_modules_import_only_what_they_may() -> None:
    answer = subprocess.run(
        [f"{BIN}/lint-imports", "--no-cache"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_reference_of_configuration_keys_is_current() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == configuration_reference(), "make docs"


def test_the_reference_of_metrics_is_current() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == metrics_reference(), "make docs"


def test_the_examples_of_webhooks_are_current() -> None:
    document = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    assert document == document_with_examples(document), "make docs"


def test_the_example_configuration_is_valid() -> None:
    settings = load_settings(ROOT / "switchhook.example.toml", {})
    assert (len(settings.pbx), len(settings.endpoint)) == (1, 1)


def test_pins_are_names_and_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", line)] == []
    assert lines == sorted(lines, key=str.lower)


def test_everything_that_is_needed_is_pinned() -> None:
    pinned = {_canonical(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    assert sorted(set(pinned_closure()) - pinned) == [], "make constraints"


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readme_names_the_first_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_images_and_chart_are_of_this_version() -> None:
    version = re.escape(switchhook.__version__)
    assert re.search(rf"^ARG VERSION={version}$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    chart = (ROOT / "charts" / "switchhook" / "Chart.yaml").read_text(encoding="utf-8")
    assert re.search(rf"^appVersion: {version}$", chart, re.MULTILINE)


def test_migrations_are_in_the_installed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        str(path.relative_to(ROOT))
        for path in repository_files(".sql")
        if path.relative_to(ROOT).parts[0] in {"switchhook", "services"} and not _is_shipped(path, patterns)
    ]
    assert left_out == []


def _is_shipped(path: Path, patterns: Sequence[str]) -> bool:
    """True when a pattern matches it from its own folder or the one above, if that is a package."""
    return any(
        (folder / "__init__.py").exists() and any(fnmatch(str(path.relative_to(folder)), each) for each in patterns)
        for folder in path.parents[:2]
    )


def _canonical(line: str) -> str:
    return re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
