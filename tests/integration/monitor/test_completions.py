"""Every call that was reported is completed once: from the call log where it may be read and has it in time."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from typing import TYPE_CHECKING

from simulator import Simulator, SimulatorOptions
from switchhook.events import EndedBy, EventType, SummarySource
from tests.deadline import eventually
from tests.integration.monitor.following import following, sink_running

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Play
    from tests.integration.monitor.following import Sink

SECOND = timedelta(seconds=1)


def log_requests(pbx: Simulator) -> int:
    count = pbx.state()["call_log_requests"]
    assert isinstance(count, int)
    return count


async def completed(sink: Sink, count: int, within: float = 10.0) -> None:
    await eventually(lambda: len(sink.of(EventType.COMPLETED)) >= count, within)


async def test_calls_that_end_together_are_asked_about_together(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink, following(data_dir, {"main": pbx}, sink):
        before = log_requests(pbx)
        plays = [pbx.play("incoming-direct", extension=str(100 + n), talk=0.5) for n in range(20)]
        for play in plays:
            await play
        await completed(sink, len(plays))
        assert log_requests(pbx) - before <= 2
        for play in plays:
            (end,), (done,) = (sink.of(kind, play) for kind in (EventType.ENDED, EventType.COMPLETED))
            assert end.completion_follows
            assert (done.sequence, done.occurred_at) == (end.sequence + 1, end.occurred_at)
            assert (done.user, done.answered, done.link) == (end.user, end.answered, end.link)
            assert done.summary is not None
            assert (done.summary.source, done.summary.ended_by) == (SummarySource.CALL_LOG, EndedBy.OUTSIDE)
            assert list(done.summary.recording_ids) == play.call.conversation.segments[0].recording_ids
            assert 0 <= (done.observed_at - end.occurred_at).total_seconds() < 5


async def test_a_call_log_that_is_late_is_waited_for_one_that_is_later_or_gone_is_not(data_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        late, later, gone = [await stack.enter_async_context(Simulator(SimulatorOptions(speed=3.0))) for _ in range(3)]
        late.fault("late-call-log", seconds=3.0)
        later.fault("late-call-log", seconds=600.0)
        sink = await stack.enter_async_context(sink_running())
        pbxs = {"late": late, "later": later, "gone": gone}
        at_work = await stack.enter_async_context(following(data_dir, pbxs, sink))
        before = log_requests(late), log_requests(later)
        plays = [pbx.play("incoming-queue-hunt", talk=1.5) for pbx in (late, later, gone)]
        for play in plays:
            await play
        await eventually(lambda: len([one for one in sink.of(EventType.ENDED) if not one.transferred]) == 3)
        gone.fault("drop-socket", seconds=60.0)
        await completed(sink, 3, within=20)
        summaries = {one.pbx: one.summary for one in sink.of(EventType.COMPLETED)}
        ends = {one.pbx: one.occurred_at for one in sink.of(EventType.ENDED)}
        told = {one.pbx: one.observed_at - ends[one.pbx] for one in sink.of(EventType.COMPLETED)}
        assert summaries["late"] is not None
        assert summaries["later"] is not None
        assert summaries["late"].source is SummarySource.CALL_LOG
        assert 3 * SECOND <= told["late"] <= 9 * SECOND
        assert log_requests(late) - before[0] <= 3
        assert summaries["later"].source is SummarySource.OWN_CLOCK
        assert 9 * SECOND <= told["later"] <= 13 * SECOND
        assert log_requests(later) - before[1] <= 4
        assert (summaries["later"].ended_by, summaries["later"].unanswered) == (EndedBy.UNKNOWN, ("202",))
        assert abs(summaries["later"].talking - summaries["late"].talking) < SECOND
        for name, source in (("late", "call_log"), ("later", "own_clock"), ("gone", "own_clock")):
            assert at_work.counted("switchhook_monitor_completed_calls_total", pbx=name, source=source) == 1


async def test_without_the_right_nobody_waits_and_the_log_is_not_asked_for_each_call(data_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions(faults=("no-call-log",))))
        sink = await stack.enter_async_context(sink_running())
        await stack.enter_async_context(following(data_dir, {"main": pbx}, sink, directory_interval=3 * SECOND))
        before = log_requests(pbx)
        plays = [await pbx.play("incoming-direct", talk=0.1) for _ in range(2)]
        await completed(sink, 2)
        assert log_requests(pbx) - before <= 1  # the one with the numbering plan
        for play in plays:
            (end,), (done,) = (sink.of(kind, play) for kind in (EventType.ENDED, EventType.COMPLETED))
            assert done.summary is not None
            assert done.summary.source is SummarySource.OWN_CLOCK
            assert done.observed_at - end.occurred_at < SECOND
        pbx.fault("no-call-log", on=False)
        seen = log_requests(pbx)
        await eventually(lambda: log_requests(pbx) > seen, 10)  # it is asked again by and by
        play = await pbx.play("incoming-direct", talk=0.1)
        await eventually(lambda: sink.of(EventType.COMPLETED, play))
        (done,) = sink.of(EventType.COMPLETED, play)
        assert done.summary is not None
        assert done.summary.source is SummarySource.CALL_LOG


async def test_what_is_owed_survives_a_restart_and_is_told_once(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink:
        async with following(data_dir, {"main": pbx}, sink):
            await pbx.play("incoming-direct", talk=0.2)
            await eventually(lambda: sink.of(EventType.ENDED))
        assert sink.of(EventType.COMPLETED) == []
        assert _rows(data_dir) == 1
        async with following(data_dir, {"main": pbx}, sink):
            await completed(sink, 1)
        (end,), (done,) = sink.of(EventType.ENDED), sink.of(EventType.COMPLETED)
        assert done.sequence == end.sequence + 1
        assert _rows(data_dir) == 0
        async with following(data_dir, {"main": pbx}, sink):
            await asyncio.sleep(2.0)  # longer than a call that is owed would wait
        assert sink.of(EventType.COMPLETED) == [done]


async def test_a_call_that_was_never_answered_is_completed_too(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions()) as pbx, sink_running() as sink, following(data_dir, {"main": pbx}, sink):
        scenarios = ("incoming-missed", "outgoing-missed", "internal-answered")
        plays: list[Play] = [pbx.play(name, speed=3.0) for name in scenarios]
        for play in plays:
            await play
        await completed(sink, 2)
        missed, outgoing = (sink.of(EventType.COMPLETED, play)[0].summary for play in plays[:2])
        assert missed is not None
        assert outgoing is not None
        assert (missed.queue, missed.unanswered, missed.talking) == ("820", ("202",), timedelta())
        assert missed.waiting > missed.ringing > timedelta()
        assert (outgoing.unanswered, outgoing.ended_by) == ((), EndedBy.EXTENSION)
        assert sink.of(EventType.COMPLETED, plays[2]) == []


def _rows(data_dir: Path) -> int:
    """How many are owed, by the database of a monitor that is stopped."""
    with closing(sqlite3.connect(data_dir / "monitor.sqlite3")) as database:
        (count,) = database.execute("SELECT count(*) FROM completions").fetchone()
    return int(count)
