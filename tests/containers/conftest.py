"""Builds the images once for all tests of this folder; skips them, loudly, where there is no engine."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from tests.containers.engine import build, missing

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ("monitor", "dispatcher", "recorder", "fileserver", "simulator", "all")
INSTALLATIONS = ("plain", "scaled")
TOLD = "said in the summary"


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one installation run one after the other, in one worker; installations side by side."""
    for item in items:
        used = getattr(item, "fixturenames", ())
        group = next((name for name in INSTALLATIONS if name in used), "images")
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def tag() -> str:
    """The version that the images are built as."""
    return os.environ.get("SWITCHHOOK_TEST_TAG", "test")


@pytest.fixture(scope="session")
def images(tag: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name of the image of each target."""
    if reason := missing():
        pytest.skip(reason)
    with (shared_folder(tmp_path_factory) / "images.lock").open("w") as lock:
        # Whoever comes second finds every layer made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return {target: build(target, tag) for target in TARGETS}


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall believe that containers were tested when they were not."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == TOLD:
                terminalreporter.write_line(value)
    if terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CONTAINERS: SOMETHING WAS NOT TESTED, see SKIPPED above", red=True, bold=True)
