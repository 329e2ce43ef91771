"""A delivery log to ask: a database of either engine with finished and unfinished deliveries in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import call_key
from services.dispatcher.deliveries import Status, add_delivery
from services.dispatcher.delivery_log import DeliveryLog
from services.dispatcher.endpoints import Endpoint, Format
from services.dispatcher.kept_events import StoredEvent, add_event
from services.dispatcher.replay import Replay
from services.dispatcher.replay_order import Progress, Replayed, ReplayOrder, ReplayTarget
from services.dispatcher.selection import DeliveryId, Selection
from switchhook.events import EventType
from switchhook.rpc import encode
from switchhook.storage import open_database
from switchhook.storage.database import Database, Statement
from switchhook.storage.times import micros
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
TYPES = (EventType.RINGING, EventType.STARTED, EventType.ENDED)
FINISH = """
UPDATE deliveries SET status = ?, due_at = NULL, reason = ?, attempts = 3, settled_at = ?
WHERE endpoint = ? AND event = (SELECT number FROM events WHERE id = ?)"""
LANES = """
SELECT endpoint, deliveries.call, deliveries.sequence, status, due_at, attempts, earlier_attempts, replays
FROM deliveries ORDER BY endpoint, deliveries.call, deliveries.sequence"""


def endpoints(*names: str) -> list[Endpoint]:
    """Endpoints that want everything."""
    return [Endpoint(name=name, url=f"http://127.0.0.1:1/{name}", format=Format.POST) for name in names]


@dataclass(slots=True)
class LogStock:
    """A database, what asks it, and what it was told."""

    database: Database
    log: DeliveryLog
    replay: Replay
    done: list[ReplayTarget]

    async def call(
        self, number: int, *, pbx: str = "main", endpoints: Sequence[str] = ("crm",), at: datetime = NOON
    ) -> list[DeliveryId]:
        """Keep the three events of a call, pending for the endpoints; gives the deliveries' ids."""
        unit: list[Statement] = []
        ids = []
        for sequence, kind in enumerate(TYPES, 1):
            event = an_event(kind, sequence=sequence, call=a_call(f"260307120000_{number}"), pbx=pbx)
            stored = StoredEvent(id=event.id, call=call_key(event), sequence=sequence, payload=encode(event))
            unit.append(add_event(stored, accepted_at=at))
            for endpoint in endpoints:
                unit.append(add_delivery(event.id, endpoint, now=at))
                ids.append(DeliveryId(event.id, endpoint))
        await self.database.write(unit)
        return ids

    async def finish(
        self, *ids: DeliveryId, status: Status = Status.DEAD, reason: str = "timeout", at: datetime = NOON
    ) -> None:
        """Make them finished."""
        await self.database.write(
            [Statement(FINISH, (status.value, reason, micros(at), each.endpoint, each.event)) for each in ids]
        )

    async def replayed(
        self, selection: Selection, *, at: datetime = NOON + timedelta(hours=1), **order: object
    ) -> Replayed:
        """Replay to the end."""
        progress = Progress(started_at=at, due_at=at)
        return await self.replay.run(ReplayOrder(selection=selection, **order), progress, now=at)  # type: ignore[arg-type]  # the order's own names

    async def lanes(self) -> list[tuple[object, ...]]:
        """Endpoint, call, sequence, status, due time, attempts, earlier attempts and replays of each delivery."""
        return await self.database.read(LANES)


@asynccontextmanager
async def log_stock(
    url: str, data_dir: Path, *, names: Sequence[str] = ("crm", "desk"), pbx_names: Sequence[str] = ()
) -> AsyncIterator[LogStock]:
    """An empty one."""
    migrations = files("services.dispatcher") / "migrations"
    database = await open_database(url, data_dir=data_dir, service="dispatcher", migrations=migrations)
    done: list[ReplayTarget] = []
    log = DeliveryLog(database, pbx_names=pbx_names)
    replay = Replay(database, log=log, endpoints=endpoints(*names), done=done.extend)
    try:
        yield LogStock(database, log, replay, done)
    finally:
        await database.close()
