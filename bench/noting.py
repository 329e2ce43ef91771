"""The sink of a bench of the monitor: takes every event by gRPC and notes when it came."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from switchhook.rpc.server import serve_publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from switchhook.events import Event
    from switchhook.rpc.received import Received


@dataclass(slots=True)
class Noted:
    """`events` with the epoch seconds of their arrival; a repeat is noted again."""

    address: str = ""
    events: list[tuple[float, Event]] = field(default_factory=list)

    async def accept(self, batch: Sequence[Received]) -> None:
        """Nothing is kept on a disk: what is measured is the way here."""
        now = time.time()
        self.events += [(now, received.event) for received in batch]


@contextlib.asynccontextmanager
async def noting() -> AsyncIterator[Noted]:
    """Serves on a free port of 127.0.0.1."""
    noted = Noted()
    async with serve_publish("127.0.0.1:0", noted.accept) as noted.address:
        yield noted
