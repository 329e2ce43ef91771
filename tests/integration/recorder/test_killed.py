"""`kill -9` of the recorder at any moment: one event for each link all the same, and nothing half-done is seen."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulator import Simulator, SimulatorOptions
from switchhook.events import EventType
from switchhook.objects import Placed, open_objects
from tests.deadline import eventually
from tests.integration.recorder.office import FINAL_SEQUENCE, final_event, publish, settings_for, sink_running
from tests.integration.recorder.victims import is_in_the_middle, recorder_process, slow_ffmpeg, working_on
from tests.relay import relay_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchhook.events import Event
    from tests.integration.recorder.office import Sink
    from tests.s3_server import S3Server


def has_members(group: int) -> bool:
    """Whether a process of the group is alive; one that has ended and waits to be noticed is not."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, of_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return True
    return False


async def all_told(sink: Sink, final: Event) -> None:
    links = {link.number for link in final.call.links}
    await eventually(lambda: {event.link for event in sink.of(final)} == links, within=60)


@pytest.fixture
def socket_address() -> Iterator[str]:
    path = Path(f"/tmp/switchhook-{os.getpid()}-{random.randrange(10**6)}.sock")
    yield f"unix:{path}"
    path.unlink(missing_ok=True)


async def test_a_recorder_killed_in_mid_conversion_tells_each_link_once(
    data_dir: Path, tmp_path: Path, socket_address: str
) -> None:
    moments = random.Random(7)
    async with Simulator(SimulatorOptions(speed=10)) as pbx, sink_running() as sink:
        program = slow_ffmpeg(tmp_path, seconds=0.4)
        settings = settings_for(data_dir, pbx, sink, listen=socket_address, ffmpeg=program)
        plays = [pbx.play("incoming-blind-transfer", extension="117"), pbx.play("incoming-direct")]
        finals = [final_event(await play) for play in plays]
        async with recorder_process(settings):
            await publish(socket_address, finals)
            await eventually(lambda: working_on(data_dir / "recorder-work"), within=30)
        for _ in range(4):
            async with recorder_process(settings):
                await eventually(lambda: working_on(data_dir / "recorder-work"), within=30)
                await asyncio.sleep(moments.uniform(0.0, 0.8))
        async with recorder_process(settings):
            await publish(socket_address, finals)  # the monitor does not know whether it was heard
            for final in finals:
                await all_told(sink, final)
        assert working_on(data_dir / "recorder-work") == []

    for final in finals:
        told = list(dict.fromkeys((event.id, event.link, event.sequence) for event in sink.of(final)))
        count = len(final.call.links)
        assert [link for _, link, _ in told] == list(range(count, 0, -1))
        assert [sequence for _, _, sequence in told] == [FINAL_SEQUENCE + 1 + place for place in range(count)]
        for event in sink.of(final):
            assert event.type is EventType.RECORDING_READY
            assert event.recording is not None
            [file] = event.recording.files
            content = (data_dir / "recordings" / "main" / file.path.rpartition("/")[2]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256


async def test_a_conversion_left_by_a_killed_recorder_is_ended_by_the_next_one(
    data_dir: Path, tmp_path: Path, socket_address: str
) -> None:
    async with Simulator(SimulatorOptions(speed=10)) as pbx, sink_running() as sink:
        settings = settings_for(data_dir, pbx, sink, listen=socket_address, ffmpeg=slow_ffmpeg(tmp_path, seconds=600))
        final = final_event(await pbx.play("incoming-direct"))
        async with recorder_process(settings):
            await publish(socket_address, [final])
            await eventually(lambda: working_on(data_dir / "recorder-work"), within=30)
        # For a moment after its fork the script's `sleep` still has the script's command line.
        await eventually(lambda: len(working_on(data_dir / "recorder-work")) == 1)
        [left] = working_on(data_dir / "recorder-work")
        assert has_members(left)
        honest = settings.model_copy(update={"recorder": settings.recorder.model_copy(update={"ffmpeg": None})})
        async with recorder_process(honest):
            await eventually(lambda: sink.of(final), within=60)
        await eventually(lambda: not has_members(left))


@pytest.mark.parametrize("moment", ["download", "upload"])
async def test_a_recorder_killed_in_mid_transfer_leaves_nothing_half_and_nothing_over(
    data_dir: Path, socket_address: str, s3_server: S3Server, moment: str
) -> None:
    options = SimulatorOptions(speed=10, codec="pcm", faults=("split-recording",))
    storage = s3_server.storage(f"killed-{os.urandom(6).hex()}")
    async with (
        Simulator(options) as pbx,
        sink_running() as sink,
        relay_to(pbx.url) as calls,
        relay_to(s3_server.url) as objects,
    ):
        slow = calls if moment == "download" else objects
        (objects if slow is calls else calls).is_slow = False
        relayed = storage.model_copy(update={"endpoint": objects.url})
        settings = settings_for(data_dir, pbx, sink, tables={"storage": relayed}, listen=socket_address)
        [main] = settings.pbx
        settings = settings.model_copy(update={"pbx": (main.model_copy(update={"url": calls.url}),)})
        final = final_event(await pbx.play("incoming-direct", talk=30.0))
        async with recorder_process(settings):
            await publish(socket_address, [final])
            await eventually(lambda: is_in_the_middle(data_dir, slow, moment), within=60)
        slow.passed = 0
        async with recorder_process(settings):
            await eventually(lambda: is_in_the_middle(data_dir, slow, moment), within=60)
        assert sink.of(final) == []
        slow.is_slow = False
        async with recorder_process(settings):
            await all_told(sink, final)
    [event] = {event.id: event for event in sink.of(final)}.values()
    assert event.type is EventType.RECORDING_READY
    assert event.recording is not None
    kept = open_objects(settings.model_copy(update={"storage": storage}))
    names = [f"main/{file.path.rpartition('/')[2]}" for file in event.recording.files]
    assert len(names) == 2
    assert {stored.name async for stored in kept.list()} == {*names, *(f"{name}.json" for name in names)}
    for name, file in zip(names, event.recording.files, strict=True):
        assert await kept.measured(name) == Placed(file.size, file.sha256)
