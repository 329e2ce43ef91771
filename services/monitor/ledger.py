"""What must not be forgotten of one PBX: its live calls and its unpublished events, written as one unit.

A unit is taken from the tracker without a pause in between, so that a call's kept state never runs ahead of its kept
events: after a kill the tracker says again exactly what was not kept. Where several monitors share the database, a unit
is refused (`LeaseLost`) unless this one still owns the PBX.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from services.monitor.call_spans import CallSpans
from services.monitor.calls import memory
from services.monitor.calls.history import CallKey
from services.monitor.calls.past import PastCall
from switchhook.errors import LeaseLost, StorageError
from switchhook.events import is_final
from switchhook.rpc.codec import decode, encode
from switchhook.runtime.clock import Clock, utc_now
from switchhook.storage import Database, Lease, Outbox, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.tracker import CallTracker, Changes
    from switchhook.events import Event
    from switchhook.runtime.health import Complaints
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

_KEEP = (
    "INSERT INTO live_calls (pbx, call_id, state) VALUES (?, ?, ?)"
    " ON CONFLICT (pbx, call_id) DO UPDATE SET state = excluded.state"
)
_FORGET = "DELETE FROM live_calls WHERE pbx = ? AND call_id = ?"
_REMEMBER = "INSERT INTO past_calls (pbx, number, arrived_at, ended_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_FOLLOW = (
    "INSERT INTO watches (pbx, followed_until, first_followed_at) VALUES (?, ?, ?)"
    " ON CONFLICT (pbx) DO UPDATE SET followed_until = excluded.followed_until,"
    " first_followed_at = COALESCE(watches.first_followed_at, excluded.first_followed_at)"
)
_DEMAND_OWNER = "SELECT demand_owner(?, ?, ?)"  # PostgreSQL only; see migration 0003
_PROVE = "UPDATE watches SET proven_until = ? WHERE pbx = ?"
_FORGET_PAST = "DELETE FROM past_calls WHERE pbx = ? AND ended_at < ?"
_OWE = "INSERT INTO completions (pbx, call_id, final) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_SETTLE = "DELETE FROM completions WHERE pbx = ? AND call_id = ?"
PAST_LIFE = timedelta(hours=3)
"""How long it is remembered that a call is over; longer than any time that is compared with the call log."""
_FOLLOWED_EVERY = timedelta(seconds=1)
_CALLS_AT_ONCE = 50
"""More at once, as after a long gap, would keep the database from all else: a lease could not be renewed in time."""
_RETRY_AFTER = 1.0  # seconds between attempts to write what the disk did not take


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was known when the monitor stopped; `followed_until` is None at the very first start.

    `completions` are the final ends of calls whose completed event is owed. `first_followed_at` and `proven_until` are
    None where an older version kept nothing of the kind.
    """

    calls: Sequence[LiveCall]
    past: Sequence[PastCall]
    completions: Sequence[Event] = ()
    followed_until: datetime | None = None
    first_followed_at: datetime | None = None
    proven_until: datetime | None = None


class Ledger(Protocol):
    """Keeps what comes of one PBX's frames."""

    async def kept(self, now: datetime) -> Kept:
        """What was kept until `now`."""

    async def keep(self, tracker: CallTracker, followed_until: datetime | None) -> Sequence[Event]:
        """Takes what came of the latest frames; returns the events once they are kept."""


class CallLedger:
    """The durable side of one PBX's tracker."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        pbx: str,
        *,
        lease: Lease,
        health: Complaints,
        tracing: Tracing,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._lease = lease
        self._pbx = pbx
        self._health = health
        self._spans = CallSpans(tracing, clock)
        self._followed_until = datetime.min.replace(tzinfo=UTC)

    async def kept(self, now: datetime) -> Kept:
        """Reads what was kept; drops what is older than any gap in which it could be asked for."""
        watches = await self._database.read(
            "SELECT followed_until, first_followed_at, proven_until FROM watches WHERE pbx = ?", (self._pbx,)
        )
        followed_until, first_followed_at, proven_until = map(_moment, watches[0] if watches else (None, None, None))
        oldest = (followed_until or now) - PAST_LIFE
        await self._database.write([Statement(_FORGET_PAST, (self._pbx, oldest.timestamp()))])
        states = await self._database.read("SELECT state FROM live_calls WHERE pbx = ?", (self._pbx,))
        past = await self._database.read(
            "SELECT arrived_at, number, ended_at FROM past_calls WHERE pbx = ? ORDER BY ended_at", (self._pbx,)
        )
        owed = await self._database.read("SELECT final FROM completions WHERE pbx = ?", (self._pbx,))
        return Kept(
            calls=[memory.load(state) for (state,) in states],
            past=[
                PastCall(
                    CallKey(datetime.fromtimestamp(arrived_at, UTC), number), datetime.fromtimestamp(ended_at, UTC)
                )
                for arrived_at, number, ended_at in past
            ],
            completions=[decode(final) for (final,) in owed],
            followed_until=followed_until,
            first_followed_at=first_followed_at,
            proven_until=proven_until,
        )

    async def keep(self, tracker: CallTracker, followed_until: datetime | None) -> Sequence[Event]:
        """Takes what came of the latest frames and returns once it is durable; waits while the disk refuses.

        `followed_until` is None while the PBX is not followed. Raises `LeaseLost`.
        """
        events: list[Event] = []
        while True:
            changes = self._traced(tracker.take(_CALLS_AT_ONCE))
            is_last = not tracker.has_changes
            unit = self._unit(changes)
            is_due = followed_until is not None and abs(followed_until - self._followed_until) >= _FOLLOWED_EVERY
            if unit or is_due:
                until = followed_until if is_last else None  # what is not kept yet is to be found again after a kill
                self._followed_until = until or self._followed_until
                with self._spans.kept(changes.events):
                    await self._write([*self._heading(until), *unit])
                self._outbox.notify()
            events += changes.events
            if is_last:
                return events

    async def complete(self, events: Sequence[Event]) -> None:
        """Tells that these calls are completed, once; returns when that is durable, waits while the disk refuses."""
        for start in range(0, len(events), _CALLS_AT_ONCE):
            some = self._spans.traced(events[start : start + _CALLS_AT_ONCE])
            unit = self._outbox.append([(event.id, encode(event)) for event in some])
            unit += [Statement(_SETTLE, (self._pbx, event.call.id)) for event in some]
            with self._spans.kept(some):
                await self._write([*self._heading(None), *unit])
            self._outbox.notify()

    async def prove(self, unreported: Sequence[Changes], *, until: datetime) -> Sequence[Changes]:
        """Tells what the call log had besides, and that it was compared with what was reported until then.

        Calls that were over long before that are forgotten. Gives the changes as they were told.
        """
        unreported = [self._traced(changes) for changes in unreported]
        unit = [statement for changes in unreported for statement in self._unit(changes)]
        unit.append(Statement(_PROVE, (until.timestamp(), self._pbx)))
        unit.append(Statement(_FORGET_PAST, (self._pbx, (until - PAST_LIFE).timestamp())))
        with self._spans.kept([event for changes in unreported for event in changes.events]):
            await self._write([*self._heading(None), *unit])
        self._outbox.notify()
        return unreported

    def _heading(self, followed_until: datetime | None) -> Sequence[Statement]:
        """Notes until when the PBX was followed; on a shared database, demands that it is ours."""
        until = followed_until.timestamp() if followed_until is not None else None
        if self._lease.is_shared:
            return [Statement(_DEMAND_OWNER, (self._pbx, self._lease.number, until))]
        return [Statement(_FOLLOW, (self._pbx, until, until))] if until is not None else []

    def _unit(self, changes: Changes) -> list[Statement]:
        payloads = [encode(event) for event in changes.events]
        unit = self._outbox.append([(event.id, raw) for event, raw in zip(changes.events, payloads, strict=True)])
        for event, raw in zip(changes.events, payloads, strict=True):
            if is_final(event):
                unit.append(Statement(_OWE, (self._pbx, event.call.id, raw)))
        unit += [Statement(_KEEP, (self._pbx, call.id, memory.dump(call))) for call in changes.changed]
        for call in changes.over:
            unit.append(Statement(_FORGET, (self._pbx, call.id)))
            arrived_at, ended_at = call.arrived_at.timestamp(), call.last_at.timestamp()
            unit += [Statement(_REMEMBER, (self._pbx, number, arrived_at, ended_at)) for number in call.numbers]
        return unit

    def _traced(self, changes: Changes) -> Changes:
        events = self._spans.traced(changes.events)
        return changes if events is changes.events else replace(changes, events=events)

    async def _write(self, unit: Sequence[Statement]) -> None:
        is_refused = False
        while True:
            try:
                self._lease.demand()
                await self._database.write(unit)
                break
            except LeaseLost:
                raise
            except StorageError as error:
                if not is_refused:
                    facts = {"pbx": self._pbx, "reason": str(error), "statements": len(unit)}
                    self._health.problem("database", f"nothing can be kept: {error}")
                    log.error("ledger.refused", extra=facts)  # noqa: TRY400 - foreseen: the sentence says it all
                is_refused = True
                await asyncio.sleep(_RETRY_AFTER)
        if is_refused:
            self._health.solved("database")
            log.info("ledger.restored", extra={"pbx": self._pbx})


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
