"""What an operator says of an endpoint counts, whichever of several dispatchers hears it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.breaker import USUAL_RULES
from services.dispatcher.endpoint_states import Endpoints
from services.dispatcher.gate import EndpointState, Gate
from services.dispatcher.own_events import OwnEvents
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import Health
from switchhook.storage import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.storage.database import Database

pytestmark = pytest.mark.parametrize("engine", ["postgres"])


def known_to(database: Database) -> Endpoints:
    """The endpoints as one dispatcher knows them."""
    return Endpoints(
        database,
        gates={"crm": Gate(rules=USUAL_RULES, now=utc_now())},
        own_events=OwnEvents(None, kept=lambda _endpoint, _count: None),
        changed=lambda _endpoint: None,
        health=Health().service("dispatcher"),
        clock=utc_now,
    )


async def test_what_was_said_to_another_dispatcher_a_moment_ago_is_known(database_url: str, data_dir: Path) -> None:
    migrations = files("services.dispatcher") / "migrations"
    database = await open_database(
        database_url, data_dir=data_dir, service="dispatcher", migrations=migrations, allow_replicas=True
    )
    try:
        one, other = known_to(database), known_to(database)
        await one.pause("crm")
        await other.resume("crm")
        await one.refresh()
        assert one.standing("crm").state is EndpointState.ACTIVE

        await other.pause("crm")
        await one.refresh()
        await other.resume("crm")
        await one.pause("crm")
        await other.refresh()
        assert other.standing("crm").state is EndpointState.PAUSED
    finally:
        await database.close()
