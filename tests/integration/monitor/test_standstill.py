"""A process that stood still has followed nobody meanwhile, whatever its socket looks like: that is a gap."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.monitor.polls import Gap
from simulator import Simulator
from switchhook.events import EventType
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually
from tests.integration.monitor.following import following, sink_running

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SLEPT = timedelta(minutes=10)
CONNECTIONS = "switchhook_pbx_connections_total"


async def test_a_gap_begins_before_the_standstill(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = timedelta()
    gaps: list[Gap] = []

    def noted(**facts: Any) -> Gap:
        gaps.append(Gap(**facts))
        return gaps[-1]

    monkeypatch.setattr("services.monitor.watch.Gap", noted)
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
