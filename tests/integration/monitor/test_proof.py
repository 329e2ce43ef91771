"""The call log is compared with what was reported: a missed call is found once, and nothing else is taken for one."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from services.monitor.call_log import read_call_log
from simulator import Simulator, SimulatorOptions
from switchhook.errors import PbxUnreachable
from switchhook.telemetry.logs import JsonFormatter
from tests.deadline import eventually
from tests.integration.monitor.following import following, sink_running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from services.monitor.calls.history import Segment
    from simulator import Play
    from switchhook.pbx.session import PbxSession
    from tests.integration.monitor.following import Following, Sink

INTERVAL = timedelta(seconds=1)
UNREPORTED = "switchhook_monitor_unreported_calls_total"
PROVEN = "switchhook_monitor_proven_until_timestamp_seconds"


async def proven(at_work: Following, play: Play) -> None:
    """Waits until the log was compared beyond the end of a call."""
    ended_at = play.ended_at
    assert ended_at is not None
    await eventually(lambda: at_work.counted(PROVEN, pbx="main") > ended_at, 10, "nothing was proven")


def told(sink: Sink, play: Play) -> list[str]:
    return [f"{one.type.value} {one.user}" for one in sink.events if one.call.numbers[0] == play.callid]


DIRECT = ["call.ringing 117", "call.started 117", "call.ended 117", "call.completed 117"]


async def test_a_call_that_nobody_saw_is_found_once_also_after_a_restart(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            seen = await pbx.play("incoming-direct", extension="117", talk=0.3)
            pbx.fault("hidden-calls")
            hidden = await pbx.play("incoming-direct", extension="117", number="0603111222", talk=0.3)
            pbx.fault("hidden-calls", on=False)
            await eventually(lambda: told(sink, hidden) == DIRECT, 15)
            assert told(sink, seen) == DIRECT
            events = [one for one in sink.events if one.call.numbers[0] == hidden.callid]
            assert all(one.reconciled for one in events)
            (segment,) = hidden.call.conversation.segments
            true = [segment.started_at, segment.answered_at, segment.ended_at, segment.ended_at]
            times = [one.occurred_at.timestamp() for one in events]
            assert all(abs(one - (other or 0.0)) < 0.05 for one, other in zip(times, true, strict=True))
            await proven(at_work, hidden)
            assert at_work.counted(UNREPORTED, pbx="main") == 1
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            again = await pbx.play("incoming-direct", extension="117", talk=0.3)
            await proven(at_work, again)
            assert at_work.counted(UNREPORTED, pbx="main") == 0
        ids = [one.id for one in sink.events]
        assert len(set(ids)) == len(ids)
        (line,) = [one for one in caplog.records if one.message == "call.unreported"]
        facts = orjson.loads(JsonFormatter().format(line))
        assert (facts["pbx"], facts["call_id"], facts["number"]) == ("main", events[0].call.id, "*******222")


async def test_what_is_not_to_be_reported_is_not_taken_for_missed(data_dir: Path) -> None:
    """Calls before the PBX was followed, between extensions, of extensions that are not shown, consultations."""
    monitored = tuple(str(number) for number in (*range(100, 120), 202, 204, 800, 820) if number != 101)
    async with Simulator(SimulatorOptions(monitored=monitored, speed=4.0)) as pbx, sink_running() as sink:
        await pbx.play("incoming-direct", extension="117", talk=0.1)
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            plays = [
                pbx.play("internal-answered", extension="102", colleague="103", talk=0.5),
                pbx.play("incoming-direct", extension="101", number="0603111222", talk=0.5),
                pbx.play("incoming-attended-transfer", talk=3.0, transferred_talk=1.0),
            ]
            for play in plays:
                await play
            await proven(at_work, plays[-1])
        # From the second start on the monitor knows since when it follows the PBX.
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            last = await pbx.play("incoming-direct", extension="117", talk=0.1)
            await proven(at_work, last)
            assert at_work.counted(UNREPORTED, pbx="main") == 0
        assert {one.call.numbers[0] for one in sink.events} == {plays[-1].callid, last.callid}


async def test_a_call_that_the_socket_lost_and_the_gap_told_is_not_told_again(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            pbx.fault("drop-socket", seconds=3.0)
            await eventually(lambda: not pbx.state()["sockets"])
            lost = await pbx.play("incoming-direct", extension="117", talk=0.3)
            await eventually(lambda: told(sink, lost) == DIRECT, 20)
            await proven(at_work, lost)
            assert at_work.counted(UNREPORTED, pbx="main") == 0
        assert told(sink, lost) == DIRECT


async def test_nothing_is_proven_of_the_time_in_which_an_older_version_kept_nothing(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink):
            old = await pbx.play("incoming-direct", extension="117", talk=0.1)
            await eventually(lambda: told(sink, old) == DIRECT)
        with closing(sqlite3.connect(data_dir / "monitor.sqlite3")) as database:
            # The call is older than what such a version remembered, and than what is looked up after a gap.
            database.execute("DELETE FROM past_calls")
            database.execute("UPDATE watches SET first_followed_at = NULL, proven_until = NULL")
            database.execute("UPDATE watches SET followed_until = followed_until + 60")
            database.commit()
        async with following(data_dir, {"main": pbx}, sink, proof_interval=INTERVAL) as at_work:
            play = await pbx.play("incoming-direct", extension="117", talk=0.1)
            await proven(at_work, play)
            assert at_work.counted(UNREPORTED, pbx="main") == 0
        assert told(sink, old) == DIRECT


async def test_a_gap_is_told_though_the_log_does_not_answer_at_once(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the PBX, whose parts come back one by one."""
    failures = 0

    async def fail_twice(session: PbxSession, **period: Any) -> Sequence[Segment]:
        nonlocal failures
        if gone and failures < 2:
            failures += 1
            raise PbxUnreachable("503")
        return await read_call_log(session, **period)

    gone = False
    monkeypatch.setattr("services.monitor.log_questions.read_call_log", fail_twice)
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink, proof_interval=timedelta(hours=1)):
            pbx.fault("drop-socket", seconds=2.0)
            await eventually(lambda: not pbx.state()["sockets"])
            gone = True
            unseen = await pbx.play("incoming-direct", extension="117", talk=0.1)
            await eventually(lambda: told(sink, unseen) == DIRECT, 15)
        assert failures == 2
        assert all(one.reconciled for one in sink.events)


async def test_what_the_log_did_not_have_yet_when_a_gap_ended_is_found_soon(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row comes some time after its segment ended."""
    monkeypatch.setattr("services.monitor.proof._LONGEST_SETTLING", timedelta(seconds=3))
    monkeypatch.setattr("services.monitor.proof._BEYOND_A_GAP", timedelta(seconds=0.5))
    async with (
        Simulator(SimulatorOptions(faults=("late-call-log",))) as pbx,
        sink_running() as sink,
        following(data_dir, {"main": pbx}, sink, proof_interval=timedelta(hours=1)),
    ):
        pbx.fault("drop-socket", seconds=1.0)
        await eventually(lambda: not pbx.state()["sockets"])
        unseen = await pbx.play("incoming-direct", extension="117", talk=0.1)
        await eventually(lambda: told(sink, unseen)[:3] == DIRECT[:3], 15)
