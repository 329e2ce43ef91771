"""What the recorder alone can do: one process, with a folder or a simulated PBX before it and a sink behind it.

    python -m bench.recordings [--quick] [--parts conversions,latency,memory] [--concurrency 2]

Conversions a second beside the same ffmpeg started by xargs with the same parallelism; from the end of a call to
`recording.ready`; memory on a recording of three hours. `--quick` only shows that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pickle
import shlex
import shutil
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from bench.limits import fsync_milliseconds, loopback_milliseconds
from bench.processes import Companion, processor_seconds, running, say
from services.recorder.ffmpeg import transcode_argv
from services.recorder.riff import HEAD_SIZE, Wav, inspect
from services.recorder.transcoder import find_ffmpeg
from simulator import Simulator, SimulatorOptions
from simulator.sound import Codec, wav
from switchhook.events import Call, CallId, Direction, Event, EventType, Link, Transfer, event_id
from switchhook.settings import RecorderSettings, Settings
from tests.deadline import eventually
from tests.integration.recorder.office import Sink, final_event, publish, settings_for, sink_running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PARTS = ("conversions", "latency", "memory")
PATIENCE = 1800.0  # seconds
_USER = "101"
_EXTENSIONS = 20  # of the simulated PBX, from 101


class TimedSink(Sink):
    """Also notes when each event came."""

    def __init__(self) -> None:
        super().__init__()
        self.came_at: dict[str, float] = {}

    async def accept(self, events: Any) -> None:
        for received in events:
            self.came_at.setdefault(received.event.call.id, time.monotonic())
        await super().accept(events)


def call_end(number: int, *, seconds: float, at: datetime) -> Event:
    """The end of a call of that length; each extension's recordings are in its own folder."""
    call_id = CallId(f"{at:%y%m%d%H%M%S}_{number}")
    ended_at = at + timedelta(seconds=seconds)
    link = Link(number=1, user=_USER, transfer=Transfer.NONE, started_at=at, ended_at=ended_at)
    call = Call(
        id=call_id,
        numbers=(number,),
        direction=Direction.INBOUND,
        outside_number="420777123456",
        did="",
        arrived_at=at,
        links=(link,),
    )
    return Event(
        id=event_id("main", call_id, 4),
        type=EventType.ENDED,
        pbx="main",
        call=call,
        link=1,
        sequence=4,
        occurred_at=ended_at,
        observed_at=ended_at,
        user=_USER,
        answered=True,
    )


def write_recordings(folder: Path, count: int, *, seconds: float) -> list[Event]:
    """So many files of that length as a PBX leaves them, and the ends of their calls."""
    (folder / _USER).mkdir(parents=True)
    content = wav(Codec.PCM, melody=1, seconds=seconds)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    ends = []
    for number in range(1, count + 1):
        (folder / _USER / f"[x]_420777123456-{_USER}_{began:%Y%m%d%H%M%S}({number}).wav").write_bytes(content)
        ends.append(call_end(number, seconds=seconds, at=began))
    return ends


def with_xargs(folder: Path, target: Path, *, program: str, concurrency: int) -> float:
    """Seconds that xargs needs to convert the folder with the very same commands, at the same priority."""
    sources = sorted(folder.rglob("*.wav"))
    head = sources[0].read_bytes()[:HEAD_SIZE]
    sound = inspect(head, sources[0].stat().st_size)
    assert isinstance(sound, Wav)
    commands = [
        shlex.join(transcode_argv(program, str(source), str(target / f"{place}.mp3"), wav=sound, bitrate=32))
        for place, source in enumerate(sources)
    ]
    began = time.monotonic()
    subprocess.run(
        [
            "nice",
            "-n",
            "19",
            "xargs",
            "-P",
            str(concurrency),
            "-d",
            "\n",
            "-n",
            "1",
            "sh",
            "-c",
            'eval "$0" 2>/dev/null',
        ],
        input="\n".join(commands).encode(),
        check=True,
    )
    return time.monotonic() - began


@contextlib.contextmanager
def recorder_process(settings: Settings) -> Iterator[Companion]:
    """A recorder in a process of its own."""
    path = settings.data_dir / "settings.pickle"
    path.write_bytes(pickle.dumps(settings))
    with running("bench.recorder", str(path)) as companion:
        yield companion


def folder_settings(data_dir: Path, folder: Path, sink: Sink, *, concurrency: int) -> Settings:
    """A recorder that reads a folder."""
    data_dir.mkdir(parents=True)
    recorder = RecorderSettings(
        listen=f"unix:{data_dir}/r.sock",
        sinks=(sink.address,),
        source="folder",
        folder=folder,
        concurrency=concurrency,
        verify_links=False,
        poll_interval=timedelta(milliseconds=250),
    )
    pbx: Any = {"name": "main", "url": "http://127.0.0.1:9", "client_id": "x", "client_secret": "x"}
    return Settings.model_validate({"data_dir": data_dir, "pbx": (pbx,), "recorder": recorder})


async def conversions(place: Path, *, count: int, seconds: float, concurrency: int, rounds: int) -> None:
    """Beside xargs, in alternating rounds."""
    program = find_ffmpeg(None)
    ratios, rates, seconds_of = list[float](), list[tuple[float, float]](), list[tuple[float, float]]()
    for round_ in range(rounds):
        folder = place / f"{seconds:.0f}-{round_}"
        ends = write_recordings(folder / "pbx", count, seconds=seconds)
        (folder / "bare").mkdir()
        bare = await asyncio.to_thread(
            with_xargs, folder / "pbx", folder / "bare", program=program, concurrency=concurrency
        )
        took, *costs = await _with_recorder(folder, ends, concurrency=concurrency)
        rates.append(((count - 1) / took, count / bare))
        own, converting = costs
        seconds_of.append((own, converting))
        ratios.append(rates[-1][0] / rates[-1][1])
        shutil.rmtree(folder)
    ours, theirs = (statistics.median(rate) for rate in zip(*rates, strict=True))
    ratio = statistics.median(ratios)
    own, converting = (statistics.median(cost) * 1000 for cost in zip(*seconds_of, strict=True))
    say(f"  {seconds:.0f} s each: {ours:.1f} recordings/s, xargs {theirs:.1f} conversions/s, {ratio:.0%} of xargs")
    say(f"    processor time for each: ffmpeg {converting:.0f} ms, recorder {own:.0f} ms")


async def _with_recorder(folder: Path, ends: Sequence[Event], *, concurrency: int) -> tuple[float, float, float]:
    """Seconds from the hand-over of all but one call, which only warms up, to the last event.

    And the processor seconds for each recording: the recorder's own, and those of its conversions.
    """
    async with sink_running() as sink:
        settings = folder_settings(folder / "data", folder / "pbx", sink, concurrency=concurrency)
        with recorder_process(settings) as recorder:
            await publish(settings.recorder.listen, ends[:1])
            await eventually(lambda: len(sink.events) == 1, within=PATIENCE)
            pid = recorder.process.pid
            before = processor_seconds(pid), processor_seconds(pid, children=True)
            began = time.monotonic()
            await publish(settings.recorder.listen, ends[1:])
            await eventually(lambda: len(sink.events) >= len(ends), within=PATIENCE)
            took = time.monotonic() - began
            own = processor_seconds(pid) - before[0]
            converting = processor_seconds(pid, children=True) - before[1]
    assert all(event.type is EventType.RECORDING_READY for event in sink.events)
    return took, own / (len(ends) - 1), converting / (len(ends) - 1)


async def latency(place: Path, *, rate: float, seconds: float) -> None:
    """From the end of a call to its event, while calls end at a fixed rate; the first one only warms up."""
    (place / "data").mkdir(parents=True)
    sink = TimedSink()
    async with sink_running(sink), Simulator(SimulatorOptions(speed=10)) as pbx:
        settings = settings_for(
            place / "data", pbx, sink, listen=f"unix:{place}/data/r.sock", poll_interval=timedelta(seconds=1)
        )
        with recorder_process(settings):
            ended_at: dict[str, float] = {}
            listed_at: dict[int, float] = {}

            async def one(number: int) -> None:
                final = final_event(await pbx.play("incoming-direct", extension=str(101 + number % _EXTENSIONS)))
                ended_at[final.call.id] = time.monotonic()
                await publish(settings.recorder.listen, [final])

            await one(0)  # which only warms up: the process has to start
            await eventually(lambda: sink.came_at, within=PATIENCE)
            ended_at.clear()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_watch_list(pbx, listed_at))
                began = time.monotonic()
                tasks = []
                for number in range(round(rate * seconds)):
                    await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                    tasks.append(group.create_task(one(number)))
                await asyncio.gather(*tasks)
                await eventually(lambda: ended_at.keys() <= sink.came_at.keys(), within=PATIENCE)
                watching.cancel()
    whole = [sink.came_at[call] - ended for call, ended in ended_at.items()]
    beyond = [sink.came_at[call] - max(ended, listed_at[_number(call)]) for call, ended in ended_at.items()]
    _say_times("end of the call to recording.ready", whole)
    _say_times("beyond the PBX's own delay", beyond)


async def _watch_list(pbx: Simulator, listed_at: dict[int, float]) -> None:
    while True:
        for recording in list(pbx.recordings.by_id.values())[-200:]:
            listed_at.setdefault(recording.segment.call.callid, time.monotonic())
        await asyncio.sleep(0.02)


def _number(call_id: str) -> int:
    return int(call_id.partition("_")[2])


def _say_times(what: str, times: Sequence[float]) -> None:
    cuts = statistics.quantiles(times, n=100)
    say(f"  {what}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, max {max(times):.2f} s over {len(times)}")


async def memory(place: Path, *, hours: float) -> None:
    """The most that the recorder ever had in memory, before and after one very long recording."""
    ends = write_recordings(place / "pbx", 1, seconds=6)
    long = write_recordings(place / "long", 1, seconds=hours * 3600)
    async with sink_running() as sink:
        settings = folder_settings(place / "data", place / "pbx", sink, concurrency=1)
        with recorder_process(settings) as recorder:
            await publish(settings.recorder.listen, ends)
            await eventually(lambda: len(sink.events) == 1, within=PATIENCE)
            before = _peak(recorder.process.pid)
            [file] = (place / "long").rglob("*.wav")
            size = file.stat().st_size
            file.rename(place / "pbx" / _USER / file.name.replace("(1)", "(2)"))
            [end] = long
            call = end.call
            numbered = call_end(2, seconds=hours * 3600, at=call.arrived_at)
            began = time.monotonic()
            await publish(settings.recorder.listen, [numbered])
            await eventually(lambda: len(sink.events) == 2, within=PATIENCE)
            took, after = time.monotonic() - began, _peak(recorder.process.pid)
    assert sink.events[-1].type is EventType.RECORDING_READY
    say(f"  {hours:g} h ({size / 1e6:.0f} MB): ready after {took:.1f} s")
    say(f"  most memory of the recorder: {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after")


def _peak(pid: int) -> int:
    """The most memory that a process has had (VmHWM), in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


async def _measure(options: argparse.Namespace, folder: Path) -> None:
    is_quick = options.quick
    say(f"limits: fsync {fsync_milliseconds(folder):.2f} ms, loopback round trip {loopback_milliseconds():.3f} ms")
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the run, concurrency {options.concurrency}")
    if "conversions" in options.parts:
        say("conversions")
        for seconds, count in ((6.0, 4),) if is_quick else ((6.0, 300), (180.0, 60)):
            rounds = 1 if is_quick else 3
            await conversions(folder, count=count, seconds=seconds, concurrency=options.concurrency, rounds=rounds)
    if "latency" in options.parts:
        say("10 calls a second end")
        await latency(folder / "latency", rate=10, seconds=1 if is_quick else 20)
    if "memory" in options.parts:
        say("a long recording")
        await memory(folder / "memory", hours=0.01 if is_quick else 3)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--parts", type=_names, default=list(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--concurrency", type=int, default=2, help="conversions at once")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="swb-"))
    try:
        uvloop.run(_measure(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
