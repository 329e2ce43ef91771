"""The recorder of a bench, a process of its own: `python -m bench.recorder SETTINGS`, a pickled `Settings`.

It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sys
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from services.recorder.service import Recorder
from switchhook.runtime.health import Health


async def _run(path: Path) -> None:
    settings = pickle.loads(await asyncio.to_thread(path.read_bytes))
    recorder = Recorder.from_settings(settings, registry=CollectorRegistry())
    task = asyncio.create_task(recorder.run(Health().service("recorder")))
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    uvloop.run(_run(Path(sys.argv[1])))
