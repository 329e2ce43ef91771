"""Fixtures for every floor of the tests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.chance import fix_examples
from tests.cluster import Cluster
from tests.s3_server import S3Server
from tests.stuck import show_waiting_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

fix_examples()
show_waiting_tasks()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory, with a path short enough for unix sockets in most places."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL, one for each process of the test run."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A running S3 server, one for each process of the test run."""
    server = S3Server()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine behind `Database`, by name."""
    return str(request.param)


@pytest.fixture
async def database_url(engine: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The `[database] url` of an empty database."""
    if engine == "sqlite":
        yield "sqlite:"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield await cluster.create(name)
    await cluster.drop(name)
