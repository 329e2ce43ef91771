"""A producer as a process of its own: commits numbered events and says so, while it publishes them.

Arguments: data directory, sink, first number. Prints the number of each event once it is durable, until it is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from switchhook.rpc import Publisher, encode
from switchhook.storage import Outbox, open_database
from tests.events import ringing

PAUSE = 0.001  # seconds between events


async def main(folder: Path, sink: str, first: int) -> None:
    database = await open_database(
        "sqlite:", data_dir=folder, service="producer", migrations=folder / "producer", include_outbox=True
    )
    outbox = Outbox(database, "main", [sink])

    async def produce() -> None:
        for number in itertools.count(first):
            event = ringing(number)
            await database.write(outbox.append([(event.id, encode(event))]))
            outbox.notify()
            print(number, flush=True)
            await asyncio.sleep(PAUSE)

    async with asyncio.TaskGroup() as group:
        group.create_task(Publisher(sink, outbox.backlog(sink), on_state=lambda _: None).run())
        group.create_task(produce())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
