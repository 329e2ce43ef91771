"""Admission: which statements keep a batch of events, and which deliveries they make. Reads the table, writes nothing.

Repeats are dropped here. An event whose predecessors have not arrived is kept and held without deliveries; what it
waited for, or the end of the hold, lets it go. The caller runs the unit, then says `committed`; it makes one unit at a
time, because the next one is judged by what this one left.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import Arrival, Arrivals, call_facts, call_key, sort_out
from services.dispatcher.endpoints import CLASS_BY_TYPE, EventClass, wants
from services.dispatcher.kept_events import StoredEvent
from services.dispatcher.unit import Admitted, Unit
from switchhook.errors import CodecError
from switchhook.events import is_final
from switchhook.rpc.codec import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from services.dispatcher.arrivals import CallArrivals, CallKey
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.kept_events import KeptEvents
    from switchhook.events import EventId
    from switchhook.rpc.received import Received

log = logging.getLogger(__name__)

# What may be the first that is heard of a call that is not over.
OF_LIVE_CALLS = frozenset({EventClass.RINGING, EventClass.DIALING, EventClass.RINGING_STOPPED, EventClass.STARTED})


class Admission:
    """Judges events by what has arrived of their calls."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        events: KeptEvents,
        hold: timedelta,
        owner_of: Callable[[str], int] = lambda _endpoint: 0,
    ) -> None:
        """`owner_of` says who claims an endpoint's new heads."""
        self._owner_of = owner_of
        self._endpoints = endpoints
        self._events = events
        self._hold = hold
        self._arrivals = Arrivals()

    async def of_events(self, events: Sequence[Received], *, now: datetime) -> Unit:
        """The unit that keeps what is new among the events. Raises `StorageError`."""
        unit = Unit(now)
        judged = []
        for call, received_by_arrival in (await self._new(events)).items():
            stored_by_arrival = {
                arrival: StoredEvent(id=arrival.id, call=call, sequence=arrival.sequence, payload=received.payload)
                for arrival, received in received_by_arrival.items()
            }
            before = self._arrivals.of(call)
            outcome = sort_out(before, stored_by_arrival)
            for arrival, stored in stored_by_arrival.items():
                held_until = now + self._hold if arrival in outcome.after.held else None
                unit.keep(stored, held_until=held_until)
            admitted = {
                arrival: Admitted(stored=stored_by_arrival[arrival], event=received.event)
                for arrival, received in received_by_arrival.items()
            }
            judged.append((call, before, outcome, admitted))
        for call, before, outcome, admitted in judged:
            going = await self._let_go(unit, outcome.going, admitted)
            _note_life(unit, call, going, is_first=before.reached == 0)
            self._leave(unit, call, before, outcome.after)
        return unit

    async def of_overdue(self, *, now: datetime, limit: int) -> Unit:
        """The unit that lets go what was held too long, and what waited behind it. Raises `StorageError`."""
        unit = Unit(now)
        last_by_call: dict[CallKey, int] = {}
        for stored in await self._events.overdue_holds(now=now, limit=limit):
            last_by_call[stored.call] = max(last_by_call.get(stored.call, 0), stored.sequence)
        await self._look_up(last_by_call)
        for call, last in last_by_call.items():
            before = self._arrivals.of(call)
            outcome = sort_out(before, (), give_up_before=last)
            if last > before.reached + 1:
                log.warning("call.incomplete", extra=call_facts(call) | {"after": before.reached, "goes_on_at": last})
            going = await self._let_go(unit, outcome.going, {})
            _note_life(unit, call, going, is_first=before.reached == 0)
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
            or self._events.is_shared  # another dispatcher may have accepted more of the call
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
        arrivals_by_call, ids = await self._events.arrivals_of(list(calls))
        for call, arrivals in arrivals_by_call.items():
            self._arrivals.remember(call, arrivals)
        return ids

    async def _let_go(self, unit: Unit, going: Sequence[Arrival], fresh: Mapping[Arrival, Admitted]) -> list[Admitted]:
        released = [arrival for arrival in going if arrival not in fresh]
        admitted = dict(fresh)
        if released:
            admitted |= await self._read_back(released)
            for arrival in released:
                unit.release(arrival.id)
        let_go = [admitted[arrival] for arrival in going if arrival in admitted]
        for each in let_go:
            for endpoint in self._endpoints:
                if wants(endpoint, each.event):
                    unit.deliver(each, endpoint, owner=self._owner_of(endpoint.name))
        return let_go

    async def _read_back(self, arrivals: Sequence[Arrival]) -> dict[Arrival, Admitted]:
        admitted = {}
        for stored in await self._events.stored_events([arrival.id for arrival in arrivals]):
            try:
                event = decode(stored.payload)
            except CodecError as error:
                log.error("event.unreadable", extra={"event_id": stored.id, "error": str(error)})  # noqa: TRY400 - foreseen
                continue
            admitted[Arrival(stored.sequence, stored.id)] = Admitted(stored=stored, event=event)
        return admitted

    def _leave(self, unit: Unit, call: CallKey, before: CallArrivals, after: CallArrivals) -> None:
        unit.arrivals_by_call[call] = after
        unit.held += len(after.held) - len(before.held)


def _note_life(unit: Unit, call: CallKey, going: Sequence[Admitted], *, is_first: bool) -> None:
    """A call is live from its first event to its final end."""
    is_over = any(is_final(each.event) for each in going)
    if is_over and not is_first:
        unit.close_call(call)
    elif is_first and not is_over and any(CLASS_BY_TYPE[each.event.type] in OF_LIVE_CALLS for each in going):
        unit.open_call(going[0].stored.id)
