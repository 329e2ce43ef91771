"""Monitors that share PBXs on one PostgreSQL are killed, frozen, joined and cut off: the webhooks are as ever."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.fleet import fleet
from tests.acceptance.scene import until
from tests.cluster import Cluster
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.fleet import Fleet

ONE, TWO, THREE = "monitor-1", "monitor-2", "monitor-3"
TAKEOVER = 10.0  # seconds
LOADED = 15.0  # seconds more that a loaded machine may take


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of our own, which may be killed."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("engine", ["postgres"])
async def test_whatever_happens_to_monitors_every_call_is_told_once_and_whole(
    tmp_path: Path, database_url: str, cluster: Cluster
) -> None:
    async with fleet(tmp_path, pbxs=4, monitors=(ONE, TWO, THREE), database=database_url) as shared:
        await until(lambda: shared.is_shared_by(ONE, TWO))
        await shared.followed_within(LOADED)
        async with asyncio.TaskGroup() as group:
            group.create_task(shared.call())
            await asyncio.sleep(2)
            killed = await _kill(shared)
            await _join(shared)
            frozen = await _freeze(shared)
            await _take_the_database_away(shared, cluster)
            shared.hang_up()
        with suppress(AssertionError):  # each scene tells what it lacks
            await eventually(lambda: all(scene.is_complete() for scene in shared.scenes), 30)
        await asyncio.sleep(1.0)
        await eventually(lambda: set(shared.sockets) == {1}, 10, "a PBX has not one websocket")
        calls = sum(len(scene.plays) for scene in shared.scenes)
        print(f"taken over: killed {killed:.1f} s, frozen {frozen:.1f} s; {calls} calls")
        _demand_one_token_for_each_watch(shared)
    differences = [f"{scene.reality.name}: {one}" for scene in shared.scenes for one in scene.differences()]
    assert not differences, "\n".join(differences)


async def _kill(shared: Fleet) -> float:
    """The other one takes over; gives after how many seconds."""
    await shared.product.kill(ONE)
    seconds = await shared.followed_within(TAKEOVER + LOADED)
    assert len((await shared.owned(TWO))[TWO]) == len(shared.scenes)
    return seconds


async def _join(shared: Fleet) -> None:
    """Two more get their shares."""
    await asyncio.gather(shared.product.start(ONE), shared.product.start(THREE))
    await until(lambda: shared.is_shared_by(ONE, TWO, THREE))
    await shared.followed_within(LOADED)


async def _freeze(shared: Fleet) -> float:
    """One stands still for longer than its lease, is taken over, and comes back; gives the seconds of the takeover."""
    orphaned = (await shared.owned(TWO))[TWO]
    assert orphaned
    shared.signal(TWO, signal.SIGSTOP)
    try:
        # The websockets of the frozen one stay open.
        both = [1 + (scene.reality.name in orphaned) for scene in shared.scenes]
        seconds = await shared.followed_within(TAKEOVER + LOADED, sockets=both)
        await asyncio.sleep(1)
    finally:
        shared.signal(TWO, signal.SIGCONT)
    await eventually(lambda: "replica.lease_lost" in {line["event"] for line in shared.product.logged(TWO)}, LOADED)
    return seconds


async def _take_the_database_away(shared: Fleet, cluster: Cluster) -> None:
    """First for a moment, then for longer than a lease: then nobody watches any more, until it is back."""
    await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
    await asyncio.to_thread(cluster.start)
    await asyncio.sleep(1)
    assert min(shared.sockets) == 1
    await asyncio.to_thread(cluster.stop)
    await eventually(lambda: set(shared.sockets) == {0}, TAKEOVER, "somebody watches without a lease")
    await asyncio.to_thread(cluster.start)
    await until(lambda: shared.is_shared_by(ONE, TWO, THREE))
    await shared.followed_within(LOADED)


def _demand_one_token_for_each_watch(shared: Fleet) -> None:
    """Whoever began to watch a PBX asked for one token at most: nobody had to ask again because another one had."""
    begun = Counter(pbx for line in shared.logged("pbxs.watched") for pbx in line["pbxs"])
    issued = {scene.reality.name: scene.pbx.tokens.issued for scene in shared.scenes}
    assert all(tokens <= begun[pbx] for pbx, tokens in issued.items()), (issued, begun)
