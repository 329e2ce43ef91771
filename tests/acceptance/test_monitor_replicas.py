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
    names = ("monitor-1", "monitor-2", "monitor-3")
    one, two, three = names
    async with fleet(tmp_path, pbxs=4, monitors=names, database=database_url) as shared:
        product = shared.product
        await until(lambda: shared.is_shared_by(one, two))
        await shared.followed_within(LOADED)
        calling = asyncio.create_task(shared.call())
        await asyncio.sleep(3)

        await product.kill(one)
        killed = await shared.followed_within(TAKEOVER + LOADED)
        assert len((await shared.owned(two))[two]) == 4

        await asyncio.gather(product.start(one), product.start(three))
        await until(lambda: shared.is_shared_by(*names))
        await shared.followed_within(LOADED)

        orphaned = (await shared.owned(two))[two]
        shared.signal(two, signal.SIGSTOP)
        try:
            both = [1 + (scene.reality.name in orphaned) for scene in shared.scenes]
            frozen = await shared.followed_within(TAKEOVER + LOADED, sockets=both)
            await asyncio.sleep(1)
        finally:
            shared.signal(two, signal.SIGCONT)
        await until(lambda: shared.is_shared_by(*names))

        await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
        await asyncio.to_thread(cluster.start)
        await asyncio.sleep(2)
        await until(lambda: shared.is_shared_by(*names))
        await shared.followed_within(LOADED)

        shared.hang_up()
        await calling
        with suppress(AssertionError):  # each scene tells what it lacks
            await eventually(lambda: all(scene.is_complete() for scene in shared.scenes), 30)
        await asyncio.sleep(1.0)
        await eventually(lambda: set(shared.sockets) == {1}, 10, "a PBX has not one websocket")
        calls = sum(len(scene.plays) for scene in shared.scenes)
        print(f"taken over: killed {killed:.1f} s, frozen {frozen:.1f} s; {calls} calls")
        _demand_one_token_for_each_watch(shared)
    differences = [f"{scene.reality.name}: {one}" for scene in shared.scenes for one in scene.differences()]
    assert not differences, "\n".join(differences)
    assert max(killed, frozen) < TAKEOVER + LOADED


def _demand_one_token_for_each_watch(shared: Fleet) -> None:
    """Whoever began to watch a PBX asked for one token, and nobody had to ask again because another one had asked."""
    begun = Counter(pbx for line in shared.logged("pbxs.watched") for pbx in line["pbxs"])
    issued = {scene.reality.name: scene.pbx.tokens.issued for scene in shared.scenes}
    assert issued == begun
