"""The monitor asks no more than it must: HTTP requests are counted by the PBX, and no clock decides."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from simulator import Simulator, SimulatorOptions
from switchhook.errors import PbxUnreachable
from tests.deadline import eventually
from tests.integration.monitor.watching import watching

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CALLS = 8
SPEED = 4.0
LOOK = timedelta(milliseconds=200)
WITHIN = 20.0  # seconds
ACTIVE_CALLS, PEERS, SOCKET = "/xapi/v1/ActiveCalls", "/xapi/v1/Peers", "/callcontrol/ws"
SNAPSHOT, LEG, TOKEN = "/callcontrol", "/callcontrol/", "/connect/token"


def asked(pbx: Simulator, what: str) -> int:
    """How many HTTP requests there were for something."""
    counts = pbx.state()["asked"]
    assert isinstance(counts, dict)
    return int(counts.get(what, 0))


def all_asked(pbx: Simulator) -> int:
    """How many HTTP requests there were."""
    count = pbx.state()["http_requests"]
    assert isinstance(count, int)
    return count


async def test_a_call_costs_one_request_the_question_whether_it_is_over(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions(speed=SPEED)) as pbx, watching(data_dir, pbx) as watched:
        before = all_asked(pbx)
        for number in range(CALLS):
            pbx.play("incoming-direct", extension=str(100 + number), talk=1.0)
            await asyncio.sleep(0.05)
        await eventually(lambda: watched.ended == CALLS, WITHIN)
        assert 1 <= all_asked(pbx) - before == asked(pbx, ACTIVE_CALLS) - 1 <= CALLS
        assert asked(pbx, LEG) == 0


async def test_a_call_through_menu_and_queue_costs_little_more(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions(speed=SPEED)) as pbx, watching(data_dir, pbx) as watched:
        before = all_asked(pbx)
        for number in range(CALLS):
            pbx.play("incoming-answered", extension=str(100 + number), talk=1.0)
            await asyncio.sleep(0.05)
        await eventually(lambda: watched.ended == CALLS, WITHIN)
        assert all_asked(pbx) - before <= 2 * CALLS


async def test_a_call_that_talks_costs_nothing(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx, active_calls_interval=LOOK / 10) as watched:
        pbx.play("incoming-direct", extension="117", talk=60.0)
        await eventually(lambda: len(watched.events) == 2, WITHIN)
        before = all_asked(pbx)
        await asyncio.sleep(5 * LOOK.total_seconds())
        assert all_asked(pbx) == before


async def test_a_small_snapshot_comes_over_the_socket(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx, idle_interval=LOOK) as watched:
        pbx.play("incoming-direct", extension="117", talk=60.0)
        await eventually(lambda: len(watched.events) == 2, WITHIN)
        reads, requests = pbx.sockets.requests, asked(pbx, SNAPSHOT)
        await eventually(lambda: pbx.sockets.requests >= reads + 3, WITHIN)
        assert asked(pbx, SNAPSHOT) == requests


async def test_a_snapshot_that_is_too_large_for_a_message_comes_over_http(data_dir: Path) -> None:
    options = SimulatorOptions(socket_message_limit=1000)
    async with Simulator(options) as pbx, watching(data_dir, pbx, idle_interval=LOOK) as watched:
        pbx.play("incoming-direct", extension="117", talk=60.0)
        await eventually(lambda: len(watched.events) == 2, WITHIN)
        reads, requests = pbx.sockets.requests, asked(pbx, SNAPSHOT)
        await eventually(lambda: asked(pbx, SNAPSHOT) >= requests + 3, WITHIN)
        assert pbx.sockets.requests == reads


async def test_without_calls_only_the_list_of_calls_is_looked_at(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx, idle_interval=LOOK):
        reads, requests, looks = pbx.sockets.requests, asked(pbx, SNAPSHOT), asked(pbx, ACTIVE_CALLS)
        await eventually(lambda: asked(pbx, ACTIVE_CALLS) >= looks + 3, WITHIN)
        assert (pbx.sockets.requests, asked(pbx, SNAPSHOT)) == (reads, requests)


async def test_a_call_that_no_frame_told_of_is_found_there(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx, idle_interval=LOOK) as watched:
        pbx.feed.muted = True
        pbx.play("incoming-direct", extension="117", talk=60.0)
        await eventually(lambda: watched.told("117"), WITHIN)


async def test_the_directory_is_not_read_again_with_every_socket(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx):
        for sockets in range(2, 5):
            pbx.fault("drop-socket")
            await eventually(lambda opened=sockets: asked(pbx, SOCKET) >= opened and pbx.state()["sockets"], WITHIN)  # type: ignore[misc] # bound now
        assert asked(pbx, PEERS) == 1
        assert asked(pbx, TOKEN) == 1


async def test_a_directory_that_cannot_be_read_again_keeps_nobody_from_following(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its interface asked for a pause; call control did not, and the plan of before is good enough."""
    async with Simulator() as pbx, watching(data_dir, pbx, directory_interval=LOOK) as watched:

        async def refuse(*_: object, **__: object) -> NoReturn:
            raise PbxUnreachable("429", timedelta(hours=1))

        monkeypatch.setattr("services.monitor.polls.read_numbering_plan", refuse)
        pbx.fault("drop-socket", seconds=1.0)  # for longer than the plan counts as read just now
        await eventually(lambda: asked(pbx, SOCKET) >= 2 and pbx.state()["sockets"], WITHIN)
        pbx.play("incoming-direct", extension="117", talk=60.0)
        await eventually(lambda: watched.told("117"), WITHIN)


async def test_the_list_is_read_fast_only_while_a_call_is_where_nobody_sees_it(data_dir: Path) -> None:
    options = SimulatorOptions(faults=("hidden-routing",))
    async with Simulator(options) as pbx, watching(data_dir, pbx, active_calls_interval=LOOK) as watched:
        play = pbx.play("incoming-missed")
        await eventually(lambda: watched.told("800"), WITHIN, "a call that begins in a hidden IVR was not noticed")
        await eventually(lambda: watched.ended == 1, WITHIN)
        assert [event.user for event in watched.events][:2] == ["800", "820"]
        await play
        before, began = asked(pbx, ACTIVE_CALLS), asyncio.get_running_loop().time()
        await eventually(lambda: asked(pbx, ACTIVE_CALLS) >= before + 5, WITHIN)
        took = asyncio.get_running_loop().time() - began
        assert took > 4 * 2 * LOOK.total_seconds() * 0.95  # a machine that is slow asks less often, never more


async def test_nothing_hidden_nothing_asked(data_dir: Path) -> None:
    async with Simulator() as pbx, watching(data_dir, pbx, active_calls_interval=LOOK / 10):
        before = all_asked(pbx)
        await asyncio.sleep(5 * LOOK.total_seconds())
        assert all_asked(pbx) == before


async def test_a_right_that_is_missing_is_not_asked_for_at_every_end(data_dir: Path) -> None:
    options = SimulatorOptions(faults=("no-xapi",), speed=SPEED)
    async with Simulator(options) as pbx, watching(data_dir, pbx, end_grace=timedelta(milliseconds=50)) as watched:
        before = all_asked(pbx)
        for number in range(CALLS):
            pbx.play("incoming-direct", extension=str(100 + number), talk=1.0)
        await eventually(lambda: watched.ended == CALLS, WITHIN)
        assert all_asked(pbx) == before


async def test_a_busy_pbx_is_left_alone_for_as_long_as_it_asks_for(data_dir: Path) -> None:
    async with (
        Simulator(SimulatorOptions(speed=SPEED)) as pbx,
        watching(data_dir, pbx, end_grace=timedelta(seconds=1), idle_interval=LOOK / 4) as watched,
    ):
        before = all_asked(pbx)
        pbx.fault("busy", seconds=600)
        for number in range(CALLS):
            pbx.play("incoming-direct", extension=str(100 + number), talk=1.0)
        await eventually(lambda: watched.ended == CALLS, WITHIN)
        pbx.fault("drop-socket")
        await eventually(lambda: not pbx.state()["sockets"], WITHIN)
        await asyncio.sleep(1.5)  # so long reconnects would be tried, and there is no fact that tells when none comes
        assert all_asked(pbx) - before <= 3  # one question of each interface: the list of calls, and a socket
