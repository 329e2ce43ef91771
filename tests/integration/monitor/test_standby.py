"""One monitor watches, the other stands by; an older version that does not share is waited for, and taken over from."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from simulator import Simulator
from switchhook.pbx.token_file import token_path
from switchhook.rpc import encode
from switchhook.storage import Outbox, open_database
from tests.deadline import eventually
from tests.events import ringing
from tests.integration.monitor.monitoring import monitoring, pbx, sink

if TYPE_CHECKING:
    from pathlib import Path

postgres = pytest.mark.parametrize("engine", ["postgres"])


def folder(tmp_path: Path, name: str) -> Path:
    """A data_dir, as each machine has one."""
    path = tmp_path / name
    path.mkdir()
    return path


@postgres
async def test_with_one_pbx_the_second_monitor_is_ready_does_nothing_and_follows_at_once(
    tmp_path: Path, database_url: str
) -> None:
    async with AsyncExitStack() as stack:
        to = await stack.enter_async_context(sink())
        main = await stack.enter_async_context(Simulator())
        pbxs = [pbx("main", main.url)]
        async with monitoring(folder(tmp_path, "one"), pbxs, to, database=database_url) as first:
            await eventually(lambda: first.connected("main"), 10)
            second = await stack.enter_async_context(
                monitoring(folder(tmp_path, "two"), pbxs, to, database=database_url)
            )
            await eventually(lambda: second.report.ready, 10, "a stand-by is not ready")
            assert second.report.problems == {}
            play = main.play("incoming-direct", talk=6.0)
            await eventually(lambda: len(to.of("main")) == 2, 10)
            assert [each.metric("switchhook_pbx_owned", pbx="main") for each in (first, second)] == [1, 0]
            assert [each.metric("switchhook_pbx_connected", pbx="main") for each in (first, second)] == [1, 0]
        await eventually(lambda: second.connected("main"), 10, "the stand-by does not take over")
        assert len(main.sockets.sessions) == 1
        assert first.metric("switchhook_concurrent_calls", pbx="main", direction="inbound") == 0
        await eventually(lambda: second.metric("switchhook_concurrent_calls", pbx="main", direction="inbound") == 1)
        await play
        await eventually(lambda: to.ends("main") == 1, 10)
    to.demand_sentences("main")
    assert [event.reconciled for event in to.of("main")][:2] == [False, False]


@postgres
async def test_an_older_version_is_waited_for_and_taken_over_from_with_what_it_had_not_published(
    tmp_path: Path, database_url: str
) -> None:
    """It has the tables to itself and writes to the one stream that there was."""
    old = await open_database(
        database_url,
        data_dir=tmp_path,
        service="monitor",
        migrations=files("services.monitor.migrations"),
        include_outbox=True,
    )
    async with AsyncExitStack() as stack:
        to = await stack.enter_async_context(sink())
        main = await stack.enter_async_context(Simulator())
        outbox = Outbox(old, "calls", [to.address])
        await outbox.load()
        events = [ringing(number) for number in (1, 2, 3)]
        await old.write(outbox.append([(event.id, encode(event)) for event in events]))
        new = await stack.enter_async_context(
            monitoring(folder(tmp_path, "new"), [pbx("main", main.url)], to, database=database_url)
        )
        await eventually(lambda: new.report.ready, 15, "the new version does not stand by")
        assert "another process runs the monitor" in new.report.problems["database"]
        assert main.tokens.issued == 0
        assert to.events == []
        await old.close()
        await eventually(lambda: new.connected("main") and not new.report.problems, 10, "it does not take over")
        await eventually(lambda: len(to.events) == 3, 10, "what was not published is lost")
    assert [event.id for event in to.events] == [event.id for event in events]


@postgres
async def test_pbxs_are_handed_over_one_by_one_to_whoever_joins_and_come_back(
    tmp_path: Path, database_url: str
) -> None:
    async with AsyncExitStack() as stack:
        to = await stack.enter_async_context(sink())
        simulators = [await stack.enter_async_context(Simulator()) for _ in range(5)]
        names = [f"pbx{number}" for number in range(5)]
        pbxs = [pbx(name, each.url) for name, each in zip(names, simulators, strict=True)]
        first = await stack.enter_async_context(monitoring(folder(tmp_path, "one"), pbxs, to, database=database_url))
        await eventually(lambda: first.connected(*names), 10)
        plays = [each.play("incoming-direct", talk=8.0) for each in simulators[1:]]
        await eventually(lambda: len(to.events) == 8, 10)
        async with monitoring(folder(tmp_path, "two"), pbxs, to, database=database_url) as second:
            await eventually(lambda: second.connected("pbx0"), 5, "the quiet one goes first, and at once")
            await eventually(
                lambda: (
                    sum(second.connected(name) for name in names) == 2
                    and sum(first.connected(name) for name in names) == 3
                ),
                15,
                "the shares are not fair",
            )
            assert second.report.ready
            assert [len(each.sockets.sessions) for each in simulators] == [1] * 5
        await eventually(lambda: first.connected(*names), 10, "what was left is not taken back")
        for each in plays:
            await each
        await eventually(lambda: sum(to.ends(name) for name in names) == 4, 10)
    for name in names:
        to.demand_sentences(name)
    assert [each.tokens.issued for each in simulators].count(1) == 3


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_where_nothing_is_shared_all_pbxs_are_watched_and_nothing_is_claimed(
    tmp_path: Path, database_url: str
) -> None:
    async with sink() as to, Simulator() as main, Simulator() as branch:
        pbxs = [pbx("main", main.url), pbx("branch", branch.url)]
        data_dir = folder(tmp_path, "one")
        async with monitoring(data_dir, pbxs, to, database=database_url) as only:
            await eventually(lambda: only.connected("main", "branch"), 10)
            await main.play("incoming-direct", talk=1.0)
            await eventually(lambda: to.ends("main") == 1, 10)
            assert token_path(data_dir, "main").exists()
        database = await open_database(
            database_url,
            data_dir=data_dir,
            service="monitor",
            migrations=files("services.monitor.migrations"),
            include_outbox=True,
        )
        for table in ("replicas", "pbx_owners", "live_calls"):
            assert await database.read(f"SELECT * FROM {table}") == []
        assert await database.read("SELECT DISTINCT stream FROM outbox_sinks") == [("calls",)]
        await asyncio.wait_for(database.close(), 10)
