"""Builds the images once for all tests of this folder; skips them, loudly, where there is no engine."""

from __future__ import annotations

import os

import pytest

from tests.containers.engine import build, missing

TARGETS = ("monitor", "dispatcher", "recorder", "fileserver", "simulator", "all")


@pytest.fixture(scope="session")
def tag() -> str:
    """The version that the images are built as."""
    return os.environ.get("SWITCHHOOK_TEST_TAG", "test")


@pytest.fixture(scope="session")
def images(tag: str) -> dict[str, str]:
    """Name of the image of each target."""
    if reason := missing():
        pytest.skip(reason)
    return {target: build(target, tag) for target in TARGETS}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall believe that containers were tested when they were not."""
    if terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CONTAINERS: SOMETHING WAS NOT TESTED, see SKIPPED above", red=True, bold=True)
