"""A capture: follows one PBX as the monitor does, publishes nothing, and writes what is shown to a file.

The watch, its questions and its tracker are those of the product. Lines are written whole and at once, so that what was
written is readable after a kill; the file is its owner's alone. The API client's token is shared with the services.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

import switchhook
from services.monitor.capture_tracker import CapturingTracker
from services.monitor.capture_witness import CaptureWitness
from services.monitor.ledger import Kept
from services.monitor.metrics import MonitorMetrics
from services.monitor.scenario.masking import Mask
from services.monitor.scenario.writing import Writing
from services.monitor.watch import Observers, PbxWatch
from switchhook.errors import StorageBroken
from switchhook.pbx.session import PbxSession
from switchhook.runtime.health import ServiceHealth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from services.monitor.calls.tracker import CallTracker
    from services.monitor.unknowns import Unknown
    from switchhook.events import Event
    from switchhook.runtime.clock import Clock
    from switchhook.settings import MonitorSettings, PbxSettings

_KEY_LENGTH = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What a capture came to: its lines by verb, the events that came of them by type, and what was unknown."""

    lines: Mapping[str, int]
    events: Mapping[str, int]
    unknowns: Mapping[tuple[Unknown, str], int]


class CaptureFile:
    """A new file of mode 0600 that only grows."""

    def __init__(self, path: Path) -> None:
        """Raises `StorageBroken` when the file is there already or cannot be made."""
        self._path = path
        self.lines: Counter[str] = Counter()
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError as error:
            raise StorageBroken(f"{path}: is there already: remove it, or choose another --out") from error
        except OSError as error:
            raise StorageBroken(f"{path}: cannot be made ({error.strerror})") from error

    def append(self, text: str) -> None:
        """Writes one line, and those that belong to it. Raises `StorageBroken`."""
        self.lines[text.split(maxsplit=2)[1]] += 1
        self.write(text)

    def write(self, text: str) -> None:
        """Writes whole lines. Raises `StorageBroken`."""
        rest = memoryview(text.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise StorageBroken(f"{self._path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Ends the file."""
        os.close(self._descriptor)


async def capture(
    pbx: PbxSettings,
    settings: MonitorSettings,
    path: Path,
    *,
    token_file: Path,
    duration: timedelta | None,
    stop: asyncio.Event,
    clock: Clock,
) -> Captured:
    """Follows the PBX until `stop`, or for so long. Raises `StorageBroken`, also inside of a group."""
    file = CaptureFile(path)
    try:
        start = clock()
        witness = CaptureWitness(file.append, Writing(Mask(secrets.token_bytes(_KEY_LENGTH)), start), clock=clock)
        title = f"captured on {start:%Y-%m-%d} by switchhook {switchhook.__version__}"
        head = witness.writing.head(
            title, timezone=pbx.timezone, grace=settings.end_grace, report_internal=pbx.report_internal
        )
        file.write(head)
        ledger = Forgetful()
        async with PbxSession(pbx, token_file=token_file, now=clock) as session:
            session.tell(witness.answer)
            watch = PbxWatch(
                pbx,
                settings,
                session=session,
                ledger=ledger,
                metrics=MonitorMetrics(CollectorRegistry(), [pbx.name], ()),
                health=ServiceHealth(),
                clock=clock,
                observers=Observers(tracker=CapturingTracker(pbx, settings, witness, clock=clock), witness=witness),
            )
            await _follow(watch, witness, duration=duration, stop=stop)
        return Captured(lines=file.lines, events=ledger.events, unknowns=witness.unknowns.counts)
    finally:
        file.close()


async def _follow(watch: PbxWatch, witness: CaptureWitness, *, duration: timedelta | None, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(watch.run(witness.connected))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if duration is None else duration.total_seconds()):
                await stop.wait()  # without a duration, until somebody stops it
        following.cancel()


class Forgetful:
    """The ledger of a capture: nothing is published, so nothing is kept; it says what the tracker made of it all."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    async def kept(self, now: datetime) -> Kept:
        """Nothing: a capture begins with what it sees."""
        return Kept(calls=(), past=())

    async def keep(self, tracker: CallTracker, followed_until: datetime | None) -> Sequence[Event]:
        """The events, which nobody gets."""
        events = tracker.take().events
        self.events.update(str(event.type) for event in events)
        return events
