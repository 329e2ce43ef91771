"""The table of endpoints: its SQL. What outlives a restart of one endpoint, and what dispatchers tell each other of it.

A breaker is told of only where the database is shared. Whoever opens it first is believed, and its probes are given
out by this table, one in each interval, whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import Reason
from switchhook.storage.database import Statement
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from switchhook.storage.database import Database

_READ = "SELECT name, state, reason, since, opened_at, open_reason, probe_at FROM endpoints"

_PAUSE = """
INSERT INTO endpoints (name, state, reason, since) VALUES (?, 'paused', ?, ?)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since"""

_RESUME = """
INSERT INTO endpoints (name, state, reason, since) VALUES (?, 'active', '', ?)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since,
       opened_at = NULL, probe_at = NULL"""

_OPEN = """
INSERT INTO endpoints (name, state, reason, since, opened_at, open_reason, probe_at)
VALUES (?, 'active', '', ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET opened_at = excluded.opened_at, open_reason = excluded.open_reason, probe_at = excluded.probe_at
WHERE endpoints.opened_at IS NULL"""

_CLOSE = "UPDATE endpoints SET opened_at = NULL, probe_at = NULL WHERE name = ?"

_PROBE = """
UPDATE endpoints SET probe_at = ? WHERE name = ? AND opened_at IS NOT NULL AND probe_at <= ? RETURNING probe_at"""
# The end of a statement that is to run for the dispatcher that was first to find the outage out.
_IF_FIRST = " WHERE EXISTS (SELECT 1 FROM endpoints WHERE name = ? AND opened_at = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """An open breaker, as dispatchers tell each other; from `probe_at` on one of them may probe."""

    since: datetime
    reason: Reason
    probe_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEndpoint:
    """A row. `state` is `ACTIVE` or `PAUSED`; an endpoint without a row is active and answers."""

    name: str
    state: EndpointState
    reason: Reason
    since: datetime
    outage: Outage | None


class EndpointTable:
    """Everything raises `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_shared = database.is_shared

    async def read(self) -> list[KeptEndpoint]:
        """All rows."""
        return [
            KeptEndpoint(
                name=name,
                state=EndpointState(state),
                reason=Reason(reason),
                since=moment(since),
                outage=None
                if opened_at is None
                else Outage(since=moment(opened_at), reason=Reason(open_reason), probe_at=moment(probe_at)),
            )
            for name, state, reason, since, opened_at, open_reason, probe_at in await self._database.read(_READ)
        ]

    async def write(self, statements: list[Statement]) -> None:
        """Run them as one unit."""
        await self._database.write(statements)

    async def claim_probe(self, name: str, *, now: datetime, interval: timedelta) -> bool:
        """True for one of those who ask in an interval, while the breaker is open; always where nobody else asks."""
        if not self.is_shared:
            return True
        claim = Statement(_PROBE, (micros(now + interval), name, micros(now)))
        return bool((await self._database.write([claim]))[0])


def pausing(name: str, reason: Reason, *, at: datetime) -> Statement:
    """The endpoint takes nothing until it is resumed."""
    return Statement(_PAUSE, (name, reason.value, micros(at)))


def resuming(name: str, *, at: datetime) -> Statement:
    """The endpoint is active, and its breaker closed."""
    return Statement(_RESUME, (name, micros(at)))


def opening(name: str, outage: Outage) -> Statement:
    """Its breaker is open, unless it was already."""
    since = micros(outage.since)
    return Statement(_OPEN, (name, since, since, outage.reason.value, micros(outage.probe_at)))


def closing(name: str) -> Statement:
    """Its breaker is closed."""
    return Statement(_CLOSE, (name,))


def if_first(insertion: Statement, name: str, *, since: datetime) -> Statement:
    """The same insertion of one row, in a unit after `opening`: nothing happens when another dispatcher was faster."""
    table, _, rest = insertion.sql.partition(" VALUES (")
    values, _, conflict = rest.partition(")")
    parameters = (*insertion.parameters, name, micros(since))
    return Statement(f"{table} SELECT {values}{_IF_FIRST}{conflict}", parameters)
