"""Several PBXs of one recorder: what one of them does not give keeps the recordings of no other waiting."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from pydantic import SecretStr

from services.recorder.catalog import Catalog
from services.recorder.findings import listing
from services.recorder.hunt import Found
from simulator.sound import Codec, wav
from switchhook.events import EventType, event_id
from switchhook.rpc import Received, encode
from switchhook.settings import PbxSettings, RecorderSettings, Settings
from switchhook.storage import open_database
from tests.deadline import eventually
from tests.integration.recorder.office import recorder_running, sink_running
from tests.unit.recorder.calls import after, final, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.events import Event

AWAY = ("one", "two", "three")
BACKLOG = 12  # of each


@asynccontextmanager
async def tables(data_dir: Path) -> AsyncIterator[Catalog]:
    database = await open_database(
        "sqlite:",
        data_dir=data_dir,
        service="recorder",
        migrations=files("services.recorder") / "migrations",
        include_outbox=True,
    )
    try:
        yield Catalog(database)
    finally:
        await database.close()


def end_of(pbx: str, number: int) -> Event:
    end = final(number=number)
    return replace(end, id=event_id(pbx, end.call.id, end.sequence), pbx=pbx)


async def find(catalog: Catalog, end: Event, *, file: str, at: float) -> None:
    """A call of which this recording was found, before the recorder was stopped."""
    [call] = await catalog.accept([Received(end, encode(end))], at=after(at))
    found = replace(row(call.links[0].numbers[0]), file=file)
    await catalog.write(listing([Found(call.links[0], (found,))], at=after(at)))


async def test_pbxs_whose_files_cannot_be_had_keep_no_other_waiting(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pbxs"
    (folder / "well" / "101").mkdir(parents=True)
    (folder / "well" / "101" / "call.wav").write_bytes(wav(Codec.PCM, melody=1, seconds=3))
    async with tables(data_dir) as catalog:
        for pbx in AWAY:
            for number in range(BACKLOG):
                await find(catalog, end_of(pbx, number), file="101/call.wav", at=number)
        last = end_of("well", 99)
        await find(catalog, last, file="101/call.wav", at=3600)
    async with sink_running() as sink:
        pbxs = tuple(
            PbxSettings(name=name, url="http://127.0.0.1:9", client_id="x", client_secret=SecretStr("x"))
            for name in (*AWAY, "well")
        )
        section = RecorderSettings(
            listen="127.0.0.1:0",
            sinks=(sink.address,),
            source="folder",
            folder=folder,
            concurrency=1,
            verify_links=False,
        )
        async with recorder_running(Settings(data_dir=data_dir, pbx=pbxs, recorder=section)):
            await eventually(lambda: sink.events, within=10)
    [event] = sink.events
    assert (event.pbx, event.type) == ("well", EventType.RECORDING_READY)
