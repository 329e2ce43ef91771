"""`Retry-After` holds for every kind of request, against a real HTTP server and a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import PbxUnreachable
from switchhook.pbx import PbxSession
from tests.integration.platform.pbx_server import PbxServer
from tests.integration.platform.session_process import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Wall:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def pbx() -> AsyncIterator[PbxServer]:
    async with PbxServer().serving() as server:
        yield server


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def session(pbx: PbxServer, data_dir: Path, wall: Wall) -> AsyncIterator[PbxSession]:
    async with PbxSession(Access(pbx.url), token_file=data_dir / "main.token", now=wall) as session:
        yield session


async def test_a_busy_pbx_is_not_asked_before_that(pbx: PbxServer, session: PbxSession, wall: Wall) -> None:
    for _ in range(3):
        with pytest.raises(PbxUnreachable):
            await session.get_json("/busy")
        with pytest.raises(PbxUnreachable, match="asked for a pause until 09:00:12") as caught:
            async with session.download("/busy/recording"):
                pass
    assert pbx.paths == ["/busy"]
    assert caught.value.retry_after == timedelta(seconds=12)
    await session.get_json("/callcontrol")  # the other interface is not concerned
    wall.now += timedelta(seconds=12)
    with pytest.raises(PbxUnreachable, match="503"):
        await session.get_json("/busy")


async def test_a_token_is_not_asked_for_before_that_either(pbx: PbxServer, session: PbxSession, wall: Wall) -> None:
    pbx.token_status = 503
    for _ in range(3):
        with pytest.raises(PbxUnreachable):
            await session.get_json("/callcontrol")
    assert pbx.grants == 1
    wall.now += timedelta(seconds=7)
    pbx.token_status = 200
    await session.get_json("/callcontrol")


async def test_a_websocket_is_not_opened_before_that_either(pbx: PbxServer, session: PbxSession, wall: Wall) -> None:
    pbx.websocket_status = 503
    for _ in range(3):
        with pytest.raises(PbxUnreachable):
            await session.websocket()
    assert pbx.handshakes == 1
    wall.now += timedelta(seconds=9)
    pbx.websocket_status = 101
    async with await session.websocket():
        pass


async def test_after_a_clock_was_set_back_the_pause_begins_anew(
    pbx: PbxServer, session: PbxSession, wall: Wall
) -> None:
    """Rather than to last until the clock is there again."""
    with pytest.raises(PbxUnreachable):
        await session.get_json("/busy")
    wall.now -= timedelta(hours=2)
    for _ in range(2):
        with pytest.raises(PbxUnreachable, match="asked for a pause until 07:00:12"):
            await session.get_json("/busy")
    wall.now += timedelta(seconds=12)
    with pytest.raises(PbxUnreachable, match="503"):
        await session.get_json("/busy")
    assert pbx.paths == ["/busy"] * 2
