"""Writes until the operating system refuses to let the files grow, and says what happened.

Argument: the data directory. The limit on the size of files makes `write` fail, as a full disk or a broken one does.
Prints how many units were kept before, the errors of the batch that failed, and how many are there at the end.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from switchhook.storage import Statement, open_database

LIMIT = 300_000  # bytes


async def main(folder: Path) -> None:
    database = await open_database("sqlite:", data_dir=folder, service="notes", migrations=folder / "migrations")
    insert = Statement("INSERT INTO notes (content) VALUES (zeroblob(20000))")
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
    outcomes = await asyncio.gather(*(database.write([insert]) for _ in range(100)), return_exceptions=True)
    kept = sum(isinstance(outcome, list) for outcome in outcomes)
    errors = sorted({type(outcome).__name__ for outcome in outcomes if isinstance(outcome, Exception)})
    [(count,)] = await database.read("SELECT count(*) FROM notes")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await database.write([insert])
    [(after,)] = await database.read("SELECT count(*) FROM notes")
    await database.close()
    print(kept, ",".join(errors), count, after, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
