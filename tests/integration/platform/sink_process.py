"""A sink as a process of its own: keeps what it accepts in SQLite, and can die right after a commit.

Arguments: data directory, address to listen on, and after how many acceptances to die (0: never). A receipt is a row of
`receipts`, so the table shows what was committed, in which order, and how often.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from switchhook.rpc import Received, serve_publish
from switchhook.storage import Statement, open_database

if TYPE_CHECKING:
    from collections.abc import Sequence


async def main(folder: Path, listen: str, acceptances: int) -> None:
    database = await open_database("sqlite:", data_dir=folder, service="sink", migrations=folder / "sink")
    accepted = 0

    async def accept(received: Sequence[Received]) -> None:
        nonlocal accepted
        await database.write([Statement("INSERT INTO receipts (id) VALUES (?)", (item.event.id,)) for item in received])
        accepted += 1
        if accepted == acceptances:
            os._exit(9)

    async with serve_publish(listen, accept) as address:
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
