"""Back-up and restore as docs/operations.md says: what waited in the copy goes out of the restored one."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.deadline import eventually
from tests.integration.dispatcher.process import DispatcherProcess
from tests.integration.dispatcher.test_replicas import demand_order, events_of, surely_published
from tests.receiver import Answer, WebhookReceiver
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster import Cluster

DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EVENTS = events_of(calls=5, length=4)


def documented(program: str, **places: str) -> list[str]:
    """The command of the document that begins with this program, with the places that it names replaced."""
    found = re.search(rf"^    (?:\S*/)?({program} (?:.*\\\n)*.*)$", DOCUMENT, re.MULTILINE)
    assert found is not None, program
    words = shlex.split(found[1].replace("\\\n", " "))
    for name, place in places.items():
        written = {"url": "$URL", "dump": "switchhook.dump"}[name]
        assert any(written in word for word in words), words
        words = [word.replace(written, place) for word in words]
    return words


async def wait_in(data_dir: Path, url: str, *, database: str) -> DispatcherProcess:
    """A dispatcher in which all events wait for an endpoint that fails."""
    dispatcher = await DispatcherProcess(data_dir, url=url, database=database).__aenter__()
    await surely_published(dispatcher.address, EVENTS)
    await dispatcher.said("delivery.attempted")
    return dispatcher


async def goes_out_of(data_dir: Path, *, database: str) -> None:
    async with WebhookReceiver() as receiver:
        async with DispatcherProcess(data_dir, url=receiver.url, database=database, retry_schedule=["1s"]):
            await eventually(lambda: {one.id for one in receiver.webhooks} == {one.id for one in EVENTS}, within=40)
        demand_order(receiver.webhooks, EVENTS)


async def test_a_copy_of_a_running_sqlite_database_is_restored(tmp_path: Path) -> None:
    data_dir, restored = tmp_path / "data", tmp_path / "restored"
    data_dir.mkdir()
    restored.mkdir()
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        dispatcher = await wait_in(data_dir, receiver.url, database="sqlite:")
        try:
            _, *rest = documented("python -c")
            assert rest[-2:] == ["var/dispatcher.sqlite3", "copy.sqlite3"]
            places = [str(data_dir / "dispatcher.sqlite3"), str(restored / "dispatcher.sqlite3")]
            await asyncio.to_thread(subprocess.run, [sys.executable, *rest[:-2], *places], check=True)
        finally:
            await dispatcher.kill()
    await goes_out_of(restored, database="sqlite:")


@pytest.mark.parametrize("engine", ["postgres"])
async def test_a_dump_of_a_running_postgresql_is_restored(tmp_path: Path, cluster: Cluster, database_url: str) -> None:
    dump = tmp_path / "switchhook.dump"
    programs = cluster.programs
    async with WebhookReceiver(default=Answer(status=500)) as receiver:
        dispatcher = await wait_in(tmp_path, receiver.url, database=database_url)
        try:
            command = documented("pg_dump", url=database_url, dump=str(dump))
            await asyncio.to_thread(subprocess.run, [str(programs / command[0]), *command[1:]], check=True)
        finally:
            await dispatcher.kill()
    await cluster.create("restored")
    try:
        command = documented("pg_restore", url=cluster.url("restored"), dump=str(dump))
        await asyncio.to_thread(subprocess.run, [str(programs / command[0]), *command[1:]], check=True)
        await goes_out_of(tmp_path, database=cluster.url("restored"))
    finally:
        await cluster.drop("restored")
