"""Sinks are killed between commit and answer, producers anywhere: nothing is missing, nothing is out of order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from switchhook.rpc import Publisher, Received, encode, serve_publish
from switchhook.storage import Outbox, open_database
from tests.deadline import eventually
from tests.events import ids, ringing
from tests.integration.platform.processes import line, process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECEIPTS = "CREATE TABLE receipts (position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL);\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sink").mkdir()
    (tmp_path / "sink" / "0001_receipts.sql").write_text(RECEIPTS)
    (tmp_path / "producer").mkdir()
    return tmp_path


async def receipts(folder: Path) -> list[str]:
    database = await open_database("sqlite:", data_dir=folder, service="sink", migrations=folder / "sink")
    rows = await database.read("SELECT id FROM receipts ORDER BY position")
    await database.close()
    return [event_id for (event_id,) in rows]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_sink_killed_between_commit_and_answer_gets_the_same_events_again(folder: Path, kind: str) -> None:
    listen = f"unix:{folder}/sink.sock" if kind == "unix" else "127.0.0.1:0"
    database = await open_database(
        "sqlite:", data_dir=folder, service="producer", migrations=folder / "producer", include_outbox=True
    )
    async with process("sink_process", folder, listen, 3) as sink, asyncio.TaskGroup() as group:
        address = await line(sink)
        outbox = Outbox(database, "main", [address])
        publisher = Publisher(address, outbox.backlog(address), on_state=lambda _: None)
        publishing = group.create_task(publisher.run())

        async def produce(first: int, last: int) -> None:
            for number in range(first, last + 1):
                event = ringing(number)
                await database.write(outbox.append([(event.id, encode(event))]))
                outbox.notify()

        await produce(1, 100)
        assert await sink.wait() == 9
        await produce(101, 150)
        for acceptances, last in ((1, 200), (1, 250), (0, 300)):
            async with process("sink_process", folder, address, acceptances) as again:
                assert await line(again) == address
                await produce(last - 49, last)
                if acceptances:
                    async with asyncio.timeout(30):
                        assert await again.wait() == 9
                else:
                    await eventually(lambda: outbox.depth(address) == 0, within=30)
        publishing.cancel()
    await database.close()
    received = await receipts(folder)
    assert list(dict.fromkeys(received)) == ids(300)
    assert len(received) > 300, "a kill between commit and answer makes repeats"


async def test_a_producer_killed_at_any_moment_loses_nothing_that_it_committed(folder: Path) -> None:
    received: list[str] = []

    async def accept(events: Sequence[Received]) -> None:
        received.extend(item.event.id for item in events)

    committed = 0
    async with serve_publish(f"unix:{folder}/sink.sock", accept) as address:
        for life in range(6):
            async with process("producer_process", folder, address, committed + 1) as producer:
                for _ in range(5 + 37 * life):
                    committed = int(await line(producer))
                producer.kill()
                # What it had said in the moment of its death counts too; one more may be committed and not said.
                assert producer.stdout is not None
                said = (await producer.stdout.read()).decode().rpartition("\n")[0].split()
                committed = max(committed, *map(int, said)) if said else committed
        async with process("producer_process", folder, address, committed + 1):
            await eventually(lambda: len(set(received)) > committed, within=30)
    first_receipts = list(dict.fromkeys(received))
    assert first_receipts == ids(len(first_receipts))
