"""Every scenario file, played straight, with every frame twice, and with a restart before every frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.monitor.table import Scenario, play, read

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    path: Path = request.param
    return read(path.read_text())


def test_the_events_are_those_of_the_table(scenario: Scenario) -> None:
    assert play(scenario) == list(scenario.events or ())


def test_a_repeated_frame_changes_nothing(scenario: Scenario) -> None:
    assert play(scenario, twice=True) == list(scenario.events or ())


def test_a_restart_before_any_frame_changes_nothing(scenario: Scenario) -> None:
    assert play(scenario, forgetful=True) == list(scenario.events or ())
