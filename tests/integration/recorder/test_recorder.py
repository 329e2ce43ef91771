"""The recorder between a simulated PBX and a sink: every outcome, and what happens when something fails."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import mutagen
import pytest

from services.recorder.transcoder import find_ffmpeg
from simulator import Simulator, SimulatorOptions
from switchhook.events import CallId, EventId, EventType, Summary, SummarySource, event_id
from tests.deadline import eventually
from tests.integration.recorder.office import (
    FINAL_SEQUENCE,
    Running,
    Sink,
    final_event,
    publish,
    recorder_running,
    settings_for,
    sink_running,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from services.recorder.rows import RecordingRow
    from switchhook.events import Event
    from switchhook.settings import Settings

SPEED = 20
PATIENCE = 30.0


@asynccontextmanager
async def office(
    data_dir: Path, *, faults: tuple[str, ...] = (), codec: str = "", **section: Any
) -> AsyncIterator[tuple[Simulator, Sink, Settings]]:
    options = SimulatorOptions(speed=SPEED, faults=faults, codec=codec)
    async with Simulator(options) as pbx, sink_running() as sink:
        yield pbx, sink, settings_for(data_dir, pbx, sink, **section)


async def played(pbx: Simulator, running: Running, name: str = "incoming-answered", **cast: Any) -> Event:
    """Play a call and tell the recorder of its end."""
    play = await pbx.play(name, **cast)
    final = final_event(play)
    await publish(running.recorder.address, [final])
    return final


async def told(sink: Sink, final: Event) -> list[Event]:
    await eventually(lambda: len(sink.of(final)) == len(final.call.links), within=PATIENCE)
    return sink.of(final)


def mp3_path(settings: Settings, event: Event, index: int = 1) -> Path:
    return settings.data_dir / "recordings" / event.pbx / f"{event.call.id}-{event.link}-{index}.mp3"


async def test_a_list_that_nobody_foresaw_ends_no_recorder(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever one PBX says, the others' recordings go on; and its own, when it comes to its senses."""

    def beyond_us(fields: Mapping[str, object]) -> RecordingRow | None:
        raise RecursionError("a row that nobody foresaw")

    monkeypatch.setattr("services.recorder.xapi_source.parse_row", beyond_us)
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        final = await played(pbx, running)
        await eventually(lambda: "RecursionError" in running.problems.get("pbx main recordings", ""), within=PATIENCE)
        assert sink.of(final) == []
        monkeypatch.undo()
        [event] = await told(sink, final)
        assert event.type is EventType.RECORDING_READY
        await eventually(lambda: "pbx main recordings" not in running.problems, within=PATIENCE)


@pytest.mark.parametrize("codec", ["pcm", "stereo", "a-law", "mu-law", "gsm"])
async def test_a_recording_becomes_an_mp3_of_the_same_length(data_dir: Path, codec: str) -> None:
    async with office(data_dir, codec=codec) as (pbx, sink, settings), recorder_running(settings) as running:
        final = await played(pbx, running, talk=23.0)
        [event] = await told(sink, final)
        link = final.call.links[0]
        assert event.type is EventType.RECORDING_READY
        assert (event.link, event.sequence, event.user) == (1, FINAL_SEQUENCE + 1, link.user)
        assert event.id == event_id("main", final.call.id, FINAL_SEQUENCE + 1)
        assert event.occurred_at >= final.occurred_at
        assert event.recording is not None
        assert link.ended_at is not None
        assert event.recording.expires_at == link.ended_at + timedelta(days=90)
        [file] = event.recording.files
        path = mp3_path(settings, event)
        assert file.path == f"/webapi/recording/{path.name}"
        assert file.channels == (2 if codec == "stereo" else 1)
        content = path.read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        sound: Any = mutagen.File(path)
        assert abs(sound.info.length - (link.ended_at - link.started_at).total_seconds()) < 0.15
        assert sound.info.bitrate == 32_000 * file.channels
        assert sound.tags["TXXX:call_id"] == f"{final.call.id}-1"
        assert sound.tags["TXXX:caller"] == final.call.outside_number
        assert sound.tags["TXXX:extension"] == link.user
        assert sorted(path.parent.iterdir()) == [path, path.with_name(f"{path.name}.json")]
        assert not list((data_dir / "recorder-work").iterdir())
        assert running.counted("switchhook_recordings_total", outcome="ready", reason="none") == 1
        assert running.counted("switchhook_recording_ready_lag_seconds_count") == 1
        assert running.counted("switchhook_transcode_seconds_count") == 1
        await eventually(lambda: running.counted("switchhook_recorder_jobs_waiting") == 0)


@pytest.mark.parametrize("name", ["incoming-blind-transfer", "incoming-attended-transfer"])
async def test_each_link_has_its_own_event_and_the_newest_comes_first(data_dir: Path, name: str) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        final = await played(pbx, running, name)
        assert len(final.call.links) == 2
        events = await told(sink, final)
    assert [event.type for event in events] == [EventType.RECORDING_READY] * 2
    assert [(event.link, event.sequence) for event in events] == [(2, FINAL_SEQUENCE + 1), (1, FINAL_SEQUENCE + 2)]
    assert [event.user for event in events] == [final.call.links[1].user, final.call.links[0].user]
    assert [event.transferred for event in events] == [False, True]
    assert all(mp3_path(settings, event).exists() for event in events)


async def test_a_link_of_several_files_is_one_event_in_their_order(data_dir: Path) -> None:
    async with (
        office(data_dir, faults=("split-recording",)) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running, talk=30.0)
        [event] = await told(sink, final)
    assert event.recording is not None
    assert [file.index for file in event.recording.files] == [1, 2]
    assert all(mp3_path(settings, event, index).exists() for index in (1, 2))


async def test_calls_at_once_are_not_mixed_up(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        plays = [pbx.play("incoming-direct", talk=5.0 + 5 * n, extension="202") for n in range(6)]
        await asyncio.gather(*(asyncio.wait_for(play.over.wait(), 30) for play in plays))
        finals = [final_event(play) for play in plays]
        await publish(running.recorder.address, finals)
        for final in finals:
            [event] = await told(sink, final)
            link = final.call.links[0]
            assert event.recording is not None
            assert link.ended_at is not None
            length = max(link.ended_at - link.started_at, timedelta(seconds=1))
            assert abs(event.recording.files[0].duration - length) < timedelta(milliseconds=150)


async def test_rows_that_come_before_the_call_is_known_are_remembered(data_dir: Path) -> None:
    async with (
        office(data_dir, poll_interval=timedelta(milliseconds=50)) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        early = await pbx.play("incoming-direct")
        waiting = await pbx.play("incoming-missed")
        # Something that is never found keeps the list being read.
        other = replace(final_event(early).call, id=CallId("260101000000_9999"), numbers=(9999,))
        await publish(running.recorder.address, [replace(final_event(early), id=EventId("decoy"), call=other)])
        await eventually(lambda: running.counted("switchhook_recorder_polls_total") > 8, within=PATIENCE)
        await publish(running.recorder.address, [final_event(waiting), final_event(early)])
        [event] = await told(sink, final_event(early))
    assert event.type is EventType.RECORDING_READY


async def test_repeated_events_make_nothing_new(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings):
        async with recorder_running(settings) as running:
            final = await played(pbx, running)
            await publish(running.recorder.address, [final, final])
            await told(sink, final)
            await publish(running.recorder.address, [final])
        async with recorder_running(settings) as again:
            await publish(again.recorder.address, [final])
            other = await played(pbx, again, "incoming-direct")
            await told(sink, other)
    assert {event.id for event in sink.of(final)} == {event_id("main", final.call.id, FINAL_SEQUENCE + 1)}
    assert len(sink.of(final)) == 1


async def test_only_final_ends_of_answered_calls_make_jobs(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, _, settings), recorder_running(settings) as running:
        missed = final_event(await pbx.play("incoming-missed"))
        answered = final_event(await pbx.play("incoming-direct"))
        others = [replace(answered, type=EventType.STARTED), replace(answered, transferred=True)]
        await publish(running.recorder.address, [missed, *others])
        assert running.counted("switchhook_recorder_jobs_waiting") == 0
        assert running.counted("switchhook_recorder_polls_total") == 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("empty-recording", "empty"),
        ("truncated-recording", "truncated"),
        ("not-wav-recording", "not_wav"),
    ],
)
async def test_a_bad_recording_fails_after_three_tries(data_dir: Path, fault: str, reason: str) -> None:
    async with (
        office(data_dir, faults=(fault,), codec="pcm") as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running)
        [event] = await told(sink, final)
        assert running.counted("switchhook_recording_defects_total", reason=reason) == 3
        assert running.counted("switchhook_recordings_total", outcome="failed", reason=reason) == 1
    assert event.type is EventType.RECORDING_FAILED
    assert event.recording is not None
    assert (event.recording.reason, event.recording.files) == (reason, ())
    assert not mp3_path(settings, event).exists()


async def test_an_mp3_of_another_length_is_never_told(data_dir: Path, tmp_path: Path) -> None:
    program = tmp_path / "short-ffmpeg"
    program.write_text(_SHORT_FFMPEG.format(find_ffmpeg(None)))
    program.chmod(0o755)
    async with (
        office(data_dir, codec="pcm", ffmpeg=str(program)) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running)
        [event] = await told(sink, final)
        assert running.counted("switchhook_recording_defects_total", reason="wrong_duration") == 3
    assert (event.type, event.recording and event.recording.reason) == (EventType.RECORDING_FAILED, "wrong_duration")
    assert not mp3_path(settings, event).exists()


# The real one, but what it makes lasts for half a second.
_SHORT_FFMPEG = """#!/bin/sh
left=$#
for one; do
  shift
  [ $left -eq 1 ] && set -- "$@" -t 0.5
  set -- "$@" "$one"
  left=$((left - 1))
done
exec {} "$@"
"""


async def test_a_recording_that_gets_well_in_time_is_ready(data_dir: Path) -> None:
    async with (
        office(data_dir, faults=("empty-recording",)) as (pbx, sink, settings),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running)
        await eventually(
            lambda: running.counted("switchhook_recording_defects_total", reason="empty") == 1, within=PATIENCE
        )
        for recording in list(pbx.recordings.by_id):
            pbx.recordings.by_id[recording] = replace(pbx.recordings.by_id[recording], damage=None)
        [event] = await told(sink, final)
    assert event.type is EventType.RECORDING_READY


async def test_a_file_that_is_late_is_waited_for(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        pbx.fault("late-recordings", seconds=1.5)
        final = await played(pbx, running)
        [event] = await told(sink, final)
        assert event.type is EventType.RECORDING_READY
        assert running.counted("switchhook_recording_defects_total", reason="file_not_found") >= 1


async def test_a_file_that_never_comes_is_a_failure(data_dir: Path) -> None:
    async with office(data_dir, wait_for_recording=timedelta(seconds=1)) as (pbx, sink, settings):
        pbx.fault("late-recordings", seconds=1000)
        async with recorder_running(settings) as running:
            [event] = await told(sink, await played(pbx, running))
    assert event.recording is not None
    assert (event.type, event.recording.reason) == (EventType.RECORDING_FAILED, "file_not_found")


async def test_a_call_that_was_not_recorded_is_told_absent(data_dir: Path) -> None:
    async with (
        office(data_dir, faults=("no-recording",), wait_for_recording=timedelta(seconds=1)) as (
            pbx,
            sink,
            settings,
        ),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running, "incoming-blind-transfer")
        events = await told(sink, final)
    assert [event.type for event in events] == [EventType.RECORDING_ABSENT] * 2
    assert [event.link for event in events] == [2, 1]


async def test_without_the_right_jobs_wait_and_health_says_which(data_dir: Path) -> None:
    async with (
        office(data_dir, faults=("no-recordings-right",), wait_for_recording=timedelta(seconds=1)) as (
            pbx,
            sink,
            settings,
        ),
        recorder_running(settings) as running,
    ):
        final = await played(pbx, running)
        await eventually(lambda: "System Owner" in running.problems.get("pbx main recordings", ""), within=PATIENCE)
        await asyncio.sleep(1.2)  # longer than a recording is waited for: it must not be told absent
        assert sink.of(final) == []
        pbx.fault("no-recordings-right", on=False)
        [event] = await told(sink, final)
        await eventually(lambda: running.problems == {}, within=PATIENCE)
    assert event.type is EventType.RECORDING_READY


async def test_a_pbx_that_answers_badly_now_and_then_costs_nothing_but_time(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        pbx.fault("error-500", fraction=0.3)
        finals = [await played(pbx, running, "incoming-direct") for _ in range(3)]
        for final in finals:
            [event] = await told(sink, final)
            assert event.type is EventType.RECORDING_READY


async def test_a_pbx_that_is_not_configured_is_a_failure(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        final = replace(final_event(await pbx.play("incoming-direct")), pbx="elsewhere")
        await publish(running.recorder.address, [final])
        [event] = await told(sink, final)
    assert event.recording is not None
    assert (event.type, event.recording.reason) == (EventType.RECORDING_FAILED, "pbx_unknown")


async def test_the_list_is_not_read_while_nothing_waits(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        await told(sink, await played(pbx, running))
        polls = running.counted("switchhook_recorder_polls_total")
        await asyncio.sleep(0.5)
        assert running.counted("switchhook_recorder_polls_total") <= polls + 1


async def test_a_restart_tells_what_was_owed(data_dir: Path) -> None:
    async with office(data_dir, faults=("no-recordings-right",)) as (pbx, sink, settings):
        async with recorder_running(settings) as running:
            finals = [await played(pbx, running, name) for name in ("incoming-direct", "incoming-blind-transfer")]
        pbx.fault("no-recordings-right", on=False)
        async with recorder_running(settings):
            events = [event for final in finals for event in await told(sink, final)]
    assert [event.type for event in events] == [EventType.RECORDING_READY] * 3


async def test_a_recording_that_the_call_log_names_is_found_whatever_its_name(data_dir: Path) -> None:
    async with office(data_dir) as (pbx, sink, settings), recorder_running(settings) as running:
        final = final_event(await pbx.play("incoming-direct"))
        await eventually(lambda: pbx.recordings.rows, within=PATIENCE)
        # The list tells neither the call's number nor the outside party.
        for listed in pbx.recordings.rows:
            listed |= {"RecordingUrl": "renamed.wav", "FromCallerNumber": "unknown"}
        await publish(running.recorder.address, [final])
        await eventually(lambda: running.counted("switchhook_recorder_polls_total") > 10, within=PATIENCE)
        assert sink.of(final) == []
        summary = Summary(
            source=SummarySource.CALL_LOG,
            ringing=timedelta(),
            waiting=timedelta(),
            talking=timedelta(),
            recording_ids=tuple(pbx.recordings.by_id),
        )
        completed = replace(final, type=EventType.COMPLETED, sequence=5, id=EventId("completed"), summary=summary)
        await publish(running.recorder.address, [completed])
        [event] = await told(sink, final)
    assert event.type is EventType.RECORDING_READY
