"""What has arrived of each call: decides which events may go on and which are held for their predecessors. Pure.

The events of one call are numbered without gaps, but come from two producers, so a recording may overtake the call's
own events. What is remembered here is a cache of the table of events: a call that is forgotten is looked up again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from switchhook.events import Event, EventId

CallKey = NewType("CallKey", str)

REMEMBERED_CALLS = 50_000


def call_key(event: Event) -> CallKey:
    """The ordering key: a call of one PBX."""
    return CallKey(f"{event.pbx}/{event.call.id}")


def call_facts(call: CallKey) -> dict[str, object]:
    """For a log line: the PBX and the call's own id."""
    pbx, _, call_id = call.partition("/")
    return {"pbx": pbx, "call_id": call_id}


class Arrival(NamedTuple):
    """An event's place in its call; a tuple, because it is sorted and looked up several times for each event."""

    sequence: int
    id: EventId


@dataclass(frozen=True, slots=True)
class CallArrivals:
    """Everything up to `reached` has arrived or was given up; `held` waits for what is missing before it."""

    reached: int = 0
    held: frozenset[Arrival] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """`going` in the order to go; it may contain arrivals that were held before."""

    going: tuple[Arrival, ...]
    after: CallArrivals


def sort_out(before: CallArrivals, arrived: Iterable[Arrival], *, give_up_before: int = 0) -> Sorted:
    """Which arrivals may go now. What is missing before sequence `give_up_before` is no longer waited for."""
    reached = max(before.reached, give_up_before - 1)
    going: list[Arrival] = []
    waiting: set[Arrival] = set()
    for arrival in sorted({*before.held, *arrived}):
        if arrival.sequence <= reached + 1:
            going.append(arrival)
            reached = max(reached, arrival.sequence)
        else:
            waiting.add(arrival)
    return Sorted(going=tuple(going), after=CallArrivals(reached=reached, held=frozenset(waiting)))


class Arrivals:
    """The calls that were seen last, at most `capacity` of them."""

    def __init__(self, *, capacity: int = REMEMBERED_CALLS) -> None:
        self._capacity = capacity
        self._arrivals_by_call: OrderedDict[CallKey, CallArrivals] = OrderedDict()

    def is_surely_new(self, call: CallKey, sequence: int) -> bool:
        """True when the event cannot be a repeat; False asks for a look at the table."""
        known = self._arrivals_by_call.get(call)
        if known is None or sequence <= known.reached:
            return False
        return not known.held or all(arrival.sequence != sequence for arrival in known.held)

    def of(self, call: CallKey) -> CallArrivals:
        """What is remembered of a call; nothing has arrived of one that is not."""
        return self._arrivals_by_call.get(call, CallArrivals())

    def remember(self, call: CallKey, arrivals: CallArrivals) -> None:
        """What is now true of the call; the call that was seen longest ago may be forgotten for it."""
        self._arrivals_by_call[call] = arrivals
        self._arrivals_by_call.move_to_end(call)
        if len(self._arrivals_by_call) > self._capacity:
            self._arrivals_by_call.popitem(last=False)

    def forget(self, calls: Iterable[CallKey]) -> None:
        """The table is not what was remembered: look these calls up again."""
        for call in calls:
            self._arrivals_by_call.pop(call, None)
