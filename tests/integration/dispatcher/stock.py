"""A database full of pending deliveries, made the way the dispatcher makes them."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import call_key
from services.dispatcher.deliveries import add_delivery
from services.dispatcher.kept_events import StoredEvent, add_event
from switchhook.rpc import encode
from switchhook.runtime.clock import utc_now
from switchhook.storage import open_database
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.storage.database import Database, Statement


async def opened(data_dir: Path) -> Database:
    """The dispatcher's database."""
    migrations = files("services.dispatcher") / "migrations"
    return await open_database("sqlite:", data_dir=data_dir, service="dispatcher", migrations=migrations)


async def fill(data_dir: Path, *, calls: int, events_per_call: int, padding: int, endpoint: str = "crm") -> None:
    """Store the events of many calls, each at least `padding` bytes long, undelivered."""
    database = await opened(data_dir)
    now = utc_now()
    try:
        for number in range(calls):
            call = a_call(f"230307114903_{number}")
            unit: list[Statement] = []
            for sequence in range(1, events_per_call + 1):
                event = replace(an_event(sequence=sequence, call=call), traceparent="0" * padding)
                stored = StoredEvent(id=event.id, call=call_key(event), sequence=sequence, payload=encode(event))
                unit.append(add_event(stored, accepted_at=now, held_until=None))
                unit.append(add_delivery(event.id, endpoint, now=now))
            await database.write(unit)
    finally:
        await database.close()
