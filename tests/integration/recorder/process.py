"""A recorder in a process of its own, which can be killed: `python process.py SETTINGS`, a pickled `Settings`."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.recorder.service import Recorder
from switchhook.runtime.health import Health

if TYPE_CHECKING:
    from switchhook.settings import Settings


async def _run(settings: Settings) -> None:
    recorder = Recorder.from_settings(settings, registry=CollectorRegistry())
    await recorder.run(Health().service("recorder"))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    asyncio.run(_run(pickle.loads(Path(sys.argv[1]).read_bytes())))
