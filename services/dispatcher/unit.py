"""The unit: what a batch of events writes, and what is true once it is committed. Pure.

What is alike stands together, because a database does it at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.dispatcher.deliveries import Addition, Head, add_deliveries, added
from services.dispatcher.endpoints import deadline_of
from services.dispatcher.kept_events import add_event, close_call, open_call, release
from services.dispatcher.ready import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from services.dispatcher.arrivals import CallArrivals, CallKey
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.kept_events import StoredEvent
    from switchhook.events import Event, EventId
    from switchhook.storage.database import Row, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An event that may go now."""

    stored: StoredEvent
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A delivery that was made of an event, which has this number; with a turn if it is the head of its lane."""

    endpoint: str
    number: int
    admitted: Admitted
    turn: Turn | None


@dataclass(slots=True)
class Unit:
    """`accepted` counts the events that were new, `held` the change in the number of held ones."""

    now: datetime
    accepted: int = 0
    held: int = 0
    arrivals_by_call: dict[CallKey, CallArrivals] = field(default_factory=dict)
    _events: list[Statement] = field(default_factory=list)
    _released: list[Statement] = field(default_factory=list)
    _additions: list[Addition] = field(default_factory=list)
    _opened: list[Statement] = field(default_factory=list)
    _closed: list[Statement] = field(default_factory=list)
    _admitted_by_id: dict[EventId, Admitted] = field(default_factory=dict)

    def keep(self, stored: StoredEvent, *, held_until: datetime | None) -> None:
        """Keep an event that is new."""
        self._events.append(add_event(stored, accepted_at=self.now, held_until=held_until))
        self.accepted += 1

    def release(self, event_id: EventId) -> None:
        """A held event is held no longer."""
        self._released.append(release(event_id))

    def deliver(self, admitted: Admitted, endpoint: Endpoint, *, owner: int) -> None:
        """Add a delivery of an event that this unit, or an earlier one, keeps; `owner` claims it."""
        id_ = admitted.stored.id
        self._admitted_by_id[id_] = admitted
        deadline_at = deadline_of(endpoint, admitted.event)
        self._additions.append(Addition(event_id=id_, endpoint=endpoint.name, owner=owner, deadline_at=deadline_at))

    def open_call(self, event_id: EventId) -> None:
        """The call of this event is live."""
        self._opened.append(open_call(event_id))

    def close_call(self, call: CallKey) -> None:
        """The call is over."""
        self._closed.append(close_call(call))

    @property
    def is_empty(self) -> bool:
        """There is nothing to commit."""
        return not (self._events or self._released or self._additions or self._opened or self._closed)

    @property
    def statements(self) -> list[Statement]:
        """All that is to be committed."""
        additions = [add_deliveries(self._additions, now=self.now)] if self._additions else []
        return [*self._events, *self._released, *additions, *self._opened, *self._closed]

    def made(self, rows: Sequence[Sequence[Row]]) -> Iterator[Made]:
        """The deliveries that were made, from what the statements returned."""
        deadline_by_key = {(each.event_id, each.endpoint): each.deadline_at for each in self._additions}
        for row in rows[len(self._events) + len(self._released)] if self._additions else ():
            each = added(row)
            admitted = self._admitted_by_id[each.event_id]
            turn = None
            if each.is_head:
                deadline_at = deadline_by_key[each.event_id, each.endpoint]
                turn = Turn(_new_head(each.event, admitted.stored, deadline_at, each.owner), admitted.event)
            yield Made(endpoint=each.endpoint, number=each.event, admitted=admitted, turn=turn)


def _new_head(event: int, stored: StoredEvent, deadline_at: datetime | None, owner: int) -> Head:
    return Head(
        event=event,
        call=stored.call,
        sequence=stored.sequence,
        attempts=0,
        event_id=stored.id,
        payload=stored.payload,
        deadline_at=deadline_at,
        owner=owner,
    )
