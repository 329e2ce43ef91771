"""Several recorders on one PostgreSQL: each recording is told once, whoever joins, stops, dies or freezes meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import SecretStr

from simulator import Simulator, SimulatorOptions
from switchhook.events import EventType
from switchhook.objects import Placed, open_objects
from switchhook.settings import DatabaseSettings, StorageSettings
from tests.deadline import eventually
from tests.integration.recorder.office import Sink, final_event, publish, settings_for, sink_running
from tests.integration.recorder.victims import held_ffmpeg, is_in_the_middle, recorder_process, slow_ffmpeg, working_on
from tests.relay import relay_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from switchhook.events import Event
    from switchhook.settings import Settings
    from tests.cluster import Cluster
    from tests.relay import Relay
    from tests.s3_server import S3Server

TAKEOVER = 15.0  # seconds
LOADED = 30.0  # seconds more that a loaded machine may take
SPEED = 20


@dataclass
class Site:
    """A PBX, a database, a folder for what is stored, and recorders that share them; each has its own `data_dir`."""

    folder: Path
    pbx: Simulator
    sink: Sink
    url: str
    stack: AsyncExitStack
    finals: list[Event] = field(default_factory=list)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)

    async def start(
        self, name: str, *, pbx_url: str = "", storage: StorageSettings | None = None, **section: Any
    ) -> None:
        """Another recorder; `pbx_url` is how it reaches the PBX, `storage` how what all store in."""
        data_dir = self.folder / name
        data_dir.mkdir()
        tables = {
            "database": DatabaseSettings(url=self.url),
            "storage": storage or StorageSettings(url=f"file://{self.folder}/recordings"),
        }
        socket = Path(f"/tmp/switchhook-{os.getpid()}-{random.randrange(10**9)}.sock")
        self.stack.callback(lambda: socket.unlink(missing_ok=True))
        settings = settings_for(data_dir, self.pbx, self.sink, tables=tables, listen=f"unix:{socket}", **section)
        [main] = settings.pbx
        own = {"recorder_client_id": "switchhook", "recorder_client_secret": SecretStr("secret")}
        main = main.model_copy(update={**own, "url": pbx_url or self.pbx.url})
        self.settings[name] = settings.model_copy(update={"pbx": (main,)})
        self.processes[name] = await self.stack.enter_async_context(recorder_process(self.settings[name]))

    async def call(self, to: str, count: int = 1, **cast: Any) -> None:
        """Play calls and tell that recorder of their ends."""
        plays = [
            self.pbx.play("incoming-direct", extension=str(101 + place % 20), **{"talk": 10.0} | cast)
            for place in range(count)
        ]
        finals = [final_event(await play) for play in plays]
        self.finals += finals
        await publish(self.settings[to].recorder.listen, finals)

    def signal(self, name: str, number: signal.Signals) -> None:
        """What the system does to a process."""
        self.processes[name].send_signal(number)

    async def told(self, within: float) -> float:
        """Waits until every link was told; gives the seconds that it took."""
        began_at = time.monotonic()
        wanted = {(final.call.id, link.number) for final in self.finals for link in final.call.links}
        await eventually(lambda: {(one.call.id, one.link) for one in self.sink.events} == wanted, within)
        return time.monotonic() - began_at

    def logged(self, name: str, event: str) -> int:
        """How often a recorder said this."""
        return (self.settings[name].data_dir / "log").read_text().count(f" {event}\n")

    async def count(self, sql: str) -> int:
        """The answer of the recorders' database."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": "switchhook_recorder"})
        try:
            return int(await connection.fetchval(sql))
        finally:
            await connection.close()

    async def demand_whole(self, storage: StorageSettings | None = None) -> None:
        """Each link was told once, by whatever repeats; its files are whole, and there are no others."""
        events = {event.id: event for event in self.sink.events}.values()
        told = Counter((event.call.id, event.link) for event in events)
        assert set(told.values()) == {1}
        assert {event.type for event in events} == {EventType.RECORDING_READY}
        some = next(iter(self.settings.values()))
        stored = open_objects(some if storage is None else some.model_copy(update={"storage": storage}))
        files = [file for event in events if event.recording is not None for file in event.recording.files]
        names = {f"main/{file.path.rpartition('/')[2]}": file for file in files}
        assert {one.name async for one in stored.list()} == {*names, *(f"{name}.json" for name in names)}
        for name, file in names.items():
            assert await stored.measured(name) == Placed(file.size, file.sha256)
        assert await self.count("SELECT count(*) FROM uploads") == 0
        assert await self.count("SELECT count(*) FROM calls WHERE owner <> 0") == 0
        assert await self.count("SELECT count(*) FROM calls WHERE due_at IS NOT NULL") == 0
        assert await self.count("SELECT count(*) FROM arrivals") == 0


@pytest.fixture
async def open_site(tmp_path: Path, cluster: Cluster) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:

        async def open_one(
            name: str = "site", *, speed: int = SPEED, faults: Sequence[str] = (), codec: str = ""
        ) -> Site:
            (tmp_path / name).mkdir()
            database = f"test_{os.urandom(6).hex()}"
            url = await cluster.create(database)
            stack.push_async_callback(cluster.drop, database)
            options = SimulatorOptions(speed=speed, faults=tuple(faults), codec=codec)
            pbx = await stack.enter_async_context(Simulator(options))
            sink = await stack.enter_async_context(sink_running())
            return Site(tmp_path / name, pbx, sink, url, stack)

        yield open_one


async def test_recorders_that_come_and_go_share_the_work_and_one_token(open_site: Any) -> None:
    site: Site = await open_site()
    program = slow_ffmpeg(site.folder, seconds=0.3)
    await asyncio.gather(*(site.start(name, ffmpeg=program) for name in ("one", "two")))
    await site.call("one", 20)
    await eventually(lambda: all(site.logged(name, "recording.transcoded") for name in ("one", "two")), LOADED)
    await site.start("three", ffmpeg=program)
    await site.call("two", 20)
    site.signal("one", signal.SIGTERM)  # while it converts
    await site.call("three", 20)
    await site.told(LOADED + TAKEOVER)
    # A stop may part a batch from its answer: then it is handed over again, the same events under the same ids.
    told = {event.id: event for event in site.sink.events}
    assert len(told) == len(site.finals) == 60
    assert [event for event in site.sink.events if event != told[event.id]] == []
    shares = {name: site.logged(name, "recording.transcoded") for name in site.settings}
    print(f"conversions: {shares}, tokens: {site.pbx.tokens.issued}")
    assert min(shares.values()) > 0
    assert site.pbx.tokens.issued == 1
    await eventually(lambda: site.processes["one"].returncode is not None)
    await eventually_free(site)
    await site.demand_whole()


async def test_what_one_cannot_fetch_is_fetched_by_another_one(open_site: Any) -> None:
    site: Site = await open_site()
    await site.start("well", ffmpeg=slow_ffmpeg(site.folder, seconds=0.3))
    await eventually(lambda: site.logged("well", "pbxs.watched"), LOADED)
    await site.start("cut", pbx_url="http://127.0.0.1:9")
    await eventually(lambda: site.logged("cut", "recorder.listening"), LOADED)
    await site.call("cut", 12)
    await site.told(LOADED)
    assert site.logged("cut", "recorder.trouble_began") == 1
    assert site.logged("well", "recording.transcoded") == len(site.sink.events) == 12
    await eventually_free(site)
    await site.demand_whole()


async def test_what_one_that_dies_or_freezes_worked_at_is_taken_over_and_told_once(
    open_site: Any, s3_server: S3Server
) -> None:
    moments = ("download", "conversion", "upload")
    options: dict[str, Any] = {"speed": 10, "faults": ("split-recording",), "codec": "pcm"}
    sites = [await open_site(moment, **options) for moment in moments]
    killed = [_killed_in(moment, site, s3_server) for moment, site in zip(moments, sites, strict=True)]
    seconds = await asyncio.gather(*killed, _frozen(await open_site("freeze")))
    print("taken over after", dict(zip((*moments, "freeze"), (f"{one:.1f} s" for one in seconds), strict=True)))


async def _killed_in(moment: str, site: Site, s3_server: S3Server) -> float:
    """Kill the one that works, let the other go on; gives after how many seconds it was told."""
    storage = s3_server.storage(f"killed-{os.urandom(6).hex()}")
    async with relay_to(site.pbx.url) as calls, relay_to(s3_server.url) as objects:
        calls.is_slow, objects.is_slow = moment == "download", moment == "upload"
        program = held_ffmpeg(site.folder, gate=site.folder / "none") if moment == "conversion" else None
        relayed = storage.model_copy(update={"endpoint": objects.url})
        await site.start("victim", pbx_url=calls.url, storage=relayed, ffmpeg=program)
        await site.call("victim", talk=30.0)
        work = site.settings["victim"].data_dir
        slow = calls if moment == "download" else objects
        await eventually(lambda: _is_at_it(work, slow, moment), LOADED)
        slow.pause = 2.0  # it does not get further, however long the other one takes to start
        await site.start("heir", storage=storage)
        await eventually(lambda: site.logged("heir", "recorder.listening"), LOADED)
        assert site.sink.events == []
        site.signal("victim", signal.SIGKILL)
        seconds = await site.told(TAKEOVER + LOADED)
    await eventually_free(site)
    await site.demand_whole(storage)
    return seconds


async def _frozen(site: Site) -> float:
    """Freeze the one that works for longer than its lease; gives after how many seconds its recordings were told."""
    gate = site.folder / "gate"
    await site.start("frozen", ffmpeg=held_ffmpeg(site.folder, gate=gate))
    await site.call("frozen", 3)
    await eventually(lambda: working_on(site.settings["frozen"].data_dir / "recorder-work"), LOADED)
    await site.start("heir")
    await eventually(lambda: site.logged("heir", "recorder.listening"), LOADED)
    site.signal("frozen", signal.SIGSTOP)
    gate.touch()
    try:
        seconds = await site.told(TAKEOVER + LOADED)
    finally:
        site.signal("frozen", signal.SIGCONT)
    await eventually(lambda: site.logged("frozen", "replica.lease_lost"), LOADED)
    # It has another number now, and accepts as before.
    await site.call("frozen", 3)
    await site.told(TAKEOVER + LOADED)
    assert len(site.sink.events) == len(site.finals)
    await eventually_free(site)
    await site.demand_whole()
    return seconds


async def eventually_free(site: Site) -> None:
    """What is settled is released, and what arrived is read, a moment later; whether it was, `demand_whole` says."""
    for _ in range(50):
        busy = await site.count("SELECT count(*) FROM calls WHERE owner <> 0 OR due_at IS NOT NULL")
        if not busy + await site.count("SELECT count(*) FROM arrivals"):
            return
        await asyncio.sleep(0.1)


def _is_at_it(data_dir: Path, slow: Relay, moment: str) -> bool:
    return (
        bool(working_on(data_dir / "recorder-work"))
        if moment == "conversion"
        else is_in_the_middle(data_dir, slow, moment)
    )
