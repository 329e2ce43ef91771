"""Recordings that belong to no call that was seen: kept, told only when that is wanted, and never kept twice."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator import Simulator, SimulatorOptions
from switchhook.events import EventType
from tests.deadline import eventually
from tests.integration.recorder.office import (
    final_event,
    publish,
    recorder_running,
    settings_for,
    sink_running,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.settings import Settings
    from tests.integration.recorder.office import Running, Sink

PATIENCE = 30.0
SOON = timedelta(seconds=1)


@asynccontextmanager
async def office(data_dir: Path, **section: Any) -> AsyncIterator[tuple[Simulator, Sink, Settings]]:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, sink_running() as sink:
        yield pbx, sink, settings_for(data_dir, pbx, sink, **{"unmatched_after": SOON, **section})


def files(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "recordings").glob("main/*.mp3"))


async def seen_first(running: Running) -> None:
    """The list has been read once, so that what comes now is new."""
    await eventually(lambda: running.counted("switchhook_recorder_polls_total") >= 1, within=PATIENCE)


async def test_a_recording_without_a_call_is_kept_and_not_told(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings):
        async with recorder_running(settings) as running:
            await seen_first(running)
            play = await pbx.play("incoming-direct")
            await eventually(lambda: len(files(data_dir)) == 1, within=PATIENCE)
            await eventually(lambda: running.counted("switchhook_recorder_jobs_waiting") == 0, within=PATIENCE)
            assert sink.events == []
            [kept] = files(data_dir)
            assert kept.partition("_")[2].startswith("9000")
            # Its call is told late: then the recording is the call's, and what was kept before expires.
            final = final_event(play)
            await publish(running.recorder.address, [final])
        async with recorder_running(settings) as again:
            await eventually(lambda: sink.of(final), within=PATIENCE)
            assert sink.of(final)[0].type is EventType.RECORDING_READY
            status, answer = await again.ask("POST", "/recordings/purge", json={})
            assert (status, answer["files"]) == (200, 1)
    assert files(data_dir) == [f"{final.call.id}-1-1.mp3"]


async def test_it_is_told_when_that_is_wanted(data_dir: Path) -> None:
    async with (
        office(data_dir, announce_unmatched=True) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        await seen_first(running)
        play = await pbx.play("incoming-direct")
        await eventually(lambda: sink.events, within=PATIENCE)
        [event] = sink.events
    assert (event.type, event.sequence) == (EventType.RECORDING_READY, 1)
    assert event.call.outside_number == play.cast.number
    assert event.recording is not None
    assert [file.index for file in event.recording.files] == [1]


async def test_what_nobody_claimed_yet_survives_a_restart(data_dir: Path) -> None:
    async with office(data_dir, unmatched_after=timedelta(seconds=3)) as (pbx, sink, settings):
        async with recorder_running(settings) as running:
            await seen_first(running)
            missed = await pbx.play("incoming-direct")
            # Another call keeps the list being read.
            final = final_event(await pbx.play("incoming-direct"))
            await publish(running.recorder.address, [final])
            await eventually(lambda: sink.of(final), within=PATIENCE)
            assert len(files(data_dir)) == 1
        async with recorder_running(settings):
            await eventually(lambda: len(files(data_dir)) == 2, within=PATIENCE)
        assert sink.of(final_event(missed)) == []


async def test_recordings_of_calls_that_were_told_are_not_kept_again(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        finals = [final_event(await pbx.play("incoming-direct")) for _ in range(2)]
        await publish(running.recorder.address, finals)
        await eventually(lambda: all(sink.of(final) for final in finals), within=PATIENCE)
        # A call without a recording is swept for, over the time of the others.
        pbx.fault("no-recording")
        silent = final_event(await pbx.play("incoming-direct"))
        await publish(running.recorder.address, [silent])
        polls = running.counted("switchhook_recorder_polls_total")
        await eventually(lambda: running.counted("switchhook_recorder_polls_total") > polls + 25, within=PATIENCE)
        assert len(files(data_dir)) == 2
