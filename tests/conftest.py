"""Fixtures for every floor of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

# A loaded machine is slow, which is no fault of what is tested.
settings.register_profile("switchhook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("switchhook")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory, with a path short enough for unix sockets in most places."""
    path = tmp_path / "data"
    path.mkdir()
    return path
