"""A process that stood still has followed nobody meanwhile, whatever its socket looks like: that is a gap."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.monitor.polls import Gap
from simulator import Simulator
from switchhook.events import EventType
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.monitor.following import following, sink_running

if TYPE_CHECKING:
    from pathlib import Path

SLEPT = timedelta(minutes=10)
CONNECTIONS = "switchhook_pbx_connections_total"


@pytest.fixture
def gaps(monkeypatch: pytest.MonkeyPatch) -> list[Gap]:
    """Those that were told."""
    found: list[Gap] = []

    def noted(**facts: Any) -> Gap:
        found.append(Gap(**facts))
        return found[-1]

    monkeypatch.setattr("services.monitor.watch.Gap", noted)
    return found


async def test_a_gap_begins_before_the_standstill(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, gaps: list[Gap]
) -> None:
    slept = timedelta()
    monkeypatch.setattr("services.monitor.wakefulness._LOOK_EVERY", 0.2)
    monkeypatch.setattr("services.monitor.watch._KEPT_WITHOUT_CALLS_EVERY", 0.05)
    async with Simulator() as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink, clock=lambda: utc_now() + slept) as at_work:
            fell_asleep_at, slept = utc_now(), SLEPT
            await eventually(lambda: at_work.counted(CONNECTIONS, pbx="main") == 2)
            play = await pbx.play("incoming-direct", extension="117", talk=0.1)
            await eventually(lambda: sink.of(EventType.COMPLETED, play))
        (gap,) = gaps
        assert gap.lost_at <= fell_asleep_at


async def test_a_clock_that_is_set_back_is_noted(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next start would look for its gap in the future."""
    monkeypatch.setattr("services.monitor.watch._KEPT_WITHOUT_CALLS_EVERY", 0.05)
    slept = SLEPT
    async with (
        Simulator() as pbx,
        sink_running() as sink,
        following(data_dir, {"main": pbx}, sink, clock=lambda: utc_now() + slept),
    ):
        await eventually(lambda: _followed_until(data_dir) > utc_now().timestamp())
        slept = timedelta()
        await eventually(lambda: _followed_until(data_dir) <= utc_now().timestamp())


async def test_a_gap_never_begins_in_the_future(data_dir: Path, gaps: list[Gap]) -> None:
    """The clock was set back while nobody ran."""
    async with Simulator() as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink, clock=lambda: utc_now() + SLEPT):
            await eventually(lambda: _followed_until(data_dir) > 0)
        async with following(data_dir, {"main": pbx}, sink):
            (gap,) = gaps
            assert gap.lost_at <= utc_now()


def _followed_until(data_dir: Path) -> float:
    with closing(sqlite3.connect(data_dir / "monitor.sqlite3")) as database:
        rows = database.execute("SELECT followed_until FROM watches").fetchall()
    return float(rows[0][0]) if rows else 0.0
