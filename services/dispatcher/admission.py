"""Admission: which statements keep a batch of events, and which deliveries they make. Reads the table, writes nothing.

Repeats are dropped here. An event whose predecessors have not arrived is kept and held without deliveries; what it
waited for, or the end of the hold, lets it go. The caller runs the unit, then says `committed`; it makes one unit at a
time, because the next one is judged by what this one left.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import Arrival, Arrivals, call_key, sort_out
from services.dispatcher.deliveries import Head, StoredEvent, add_delivery, add_event, release
from services.dispatcher.endpoints import wants
from services.dispatcher.lanes import Turn
from switchhook.errors import CodecError
from switchhook.rpc.codec import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from services.dispatcher.arrivals import CallArrivals, CallKey
    from services.dispatcher.deliveries import Deliveries
    from services.dispatcher.endpoints import Endpoint
    from switchhook.events import Event, EventId
    from switchhook.rpc.received import Received
    from switchhook.storage.database import Row, Statement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An event that may go now."""

    stored: StoredEvent
    event: Event


@dataclass(slots=True)
class Unit:
    """Statements that belong together, and what is true once they are committed.

    `accepted` counts the events that were new, `held` the change in the number of held ones.
    """

    statements: list[Statement] = field(default_factory=list)
    accepted: int = 0
    held: int = 0
    _deliveries: list[tuple[int, str, Admitted]] = field(default_factory=list)
    arrivals_by_call: dict[CallKey, CallArrivals] = field(default_factory=dict)

    def deliver(self, admitted: Admitted, endpoint: str, *, now: datetime) -> None:
        """Add a delivery of an event that the unit, or an earlier one, keeps."""
        self._deliveries.append((len(self.statements), endpoint, admitted))
        self.statements.append(add_delivery(admitted.stored.id, endpoint, now=now))

    def deliveries(self, rows: Sequence[Sequence[Row]]) -> Iterator[tuple[str, Turn | None]]:
        """The endpoint of each delivery that was made, from what the statements returned; a turn if it is a head."""
        for place, endpoint, admitted in self._deliveries:
            for event_number, due_at in rows[place]:
                is_head = due_at is not None
                yield endpoint, Turn(_new_head(event_number, admitted.stored), admitted.event) if is_head else None


class Admission:
    """Judges events by what has arrived of their calls."""

    def __init__(self, endpoints: Sequence[Endpoint], *, deliveries: Deliveries, hold: timedelta) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._hold = hold
        self._arrivals = Arrivals()

    async def of_events(self, events: Sequence[Received], *, now: datetime) -> Unit:
        """The unit that keeps what is new among the events. Raises `StorageError`."""
        unit = Unit()
        for call, received_by_arrival in (await self._new(events)).items():
            stored_by_arrival = {
                arrival: StoredEvent(id=arrival.id, call=call, sequence=arrival.sequence, payload=received.payload)
                for arrival, received in received_by_arrival.items()
            }
            before = self._arrivals.of(call)
            outcome = sort_out(before, stored_by_arrival)
            for arrival, stored in stored_by_arrival.items():
                held_until = now + self._hold if arrival in outcome.after.held else None
                unit.statements.append(add_event(stored, accepted_at=now, held_until=held_until))
            unit.accepted += len(stored_by_arrival)
            admitted = {
                arrival: Admitted(stored=stored_by_arrival[arrival], event=received.event)
                for arrival, received in received_by_arrival.items()
            }
            await self._let_go(unit, outcome.going, admitted, now=now)
            self._leave(unit, call, before, outcome.after)
        return unit

    async def of_overdue(self, *, now: datetime, limit: int) -> Unit:
        """The unit that lets go what was held too long, and what waited behind it. Raises `StorageError`."""
        unit = Unit()
        last_by_call: dict[CallKey, int] = {}
        for stored in await self._deliveries.overdue_holds(now=now, limit=limit):
            last_by_call[stored.call] = max(last_by_call.get(stored.call, 0), stored.sequence)
        await self._look_up(last_by_call)
        for call, last in last_by_call.items():
            before = self._arrivals.of(call)
            outcome = sort_out(before, (), give_up_before=last)
            log.warning("call.incomplete", extra={"call": call, "after": before.reached, "goes_on_at": last})
            await self._let_go(unit, outcome.going, {}, now=now)
            self._leave(unit, call, before, outcome.after)
        return unit

    def committed(self, unit: Unit) -> None:
        """The unit is in the table."""
        for call, arrivals in unit.arrivals_by_call.items():
            self._arrivals.remember(call, arrivals)

    def refused(self, unit: Unit) -> None:
        """The unit is not in the table, as far as one can know: look again."""
        self._arrivals.forget(unit.arrivals_by_call)

    async def _new(self, events: Sequence[Received]) -> dict[CallKey, dict[Arrival, Received]]:
        """The events that are not repeats, call by call."""
        doubtful = {
            call: None
            for received in events
            if not self._arrivals.is_surely_new(call := call_key(received.event), received.event.sequence)
        }
        seen = await self._look_up(doubtful)
        new_by_call: dict[CallKey, dict[Arrival, Received]] = {}
        for received in events:
            event = received.event
            if event.id not in seen:
                seen.add(event.id)
                new_by_call.setdefault(call_key(event), {})[Arrival(event.sequence, event.id)] = received
        return new_by_call

    async def _look_up(self, calls: Mapping[CallKey, object]) -> set[EventId]:
        """Remember the calls' arrivals as the table has them; gives the ids of all their events."""
        if not calls:
            return set()
        arrivals_by_call, ids = await self._deliveries.arrivals_of(list(calls))
        for call, arrivals in arrivals_by_call.items():
            self._arrivals.remember(call, arrivals)
        return ids

    async def _let_go(
        self, unit: Unit, going: Sequence[Arrival], fresh: Mapping[Arrival, Admitted], *, now: datetime
    ) -> None:
        released = [arrival for arrival in going if arrival not in fresh]
        admitted = dict(fresh)
        if released:
            admitted |= await self._read_back(released)
            unit.statements += [release(arrival.id) for arrival in released]
        for each in (admitted[arrival] for arrival in going if arrival in admitted):
            for endpoint in self._endpoints:
                if wants(endpoint, each.event):
                    unit.deliver(each, endpoint.name, now=now)

    async def _read_back(self, arrivals: Sequence[Arrival]) -> dict[Arrival, Admitted]:
        admitted = {}
        for stored in await self._deliveries.stored_events([arrival.id for arrival in arrivals]):
            try:
                event = decode(stored.payload)
            except CodecError as error:
                log.error("event.unreadable", extra={"event_id": stored.id, "error": str(error)})  # noqa: TRY400
                continue
            admitted[Arrival(stored.sequence, stored.id)] = Admitted(stored=stored, event=event)
        return admitted

    def _leave(self, unit: Unit, call: CallKey, before: CallArrivals, after: CallArrivals) -> None:
        unit.arrivals_by_call[call] = after
        unit.held += len(after.held) - len(before.held)


def _new_head(event_number: int, stored: StoredEvent) -> Head:
    return Head(
        event=event_number,
        call=stored.call,
        sequence=stored.sequence,
        attempts=0,
        event_id=stored.id,
        payload=stored.payload,
    )
