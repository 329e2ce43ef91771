"""A recorder in a process of its own, which can be killed: `python process.py SETTINGS`, a pickled `Settings`.

SIGTERM stops it politely.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.recorder.service import Recorder
from switchhook.runtime.health import Health

if TYPE_CHECKING:
    from switchhook.settings import Settings


async def _run(settings: Settings) -> None:
    recorder = Recorder.from_settings(settings, registry=CollectorRegistry())
    task = asyncio.create_task(recorder.run(Health().service("recorder")))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    asyncio.run(_run(pickle.loads(Path(sys.argv[1]).read_bytes())))
