"""What happens in one soak: which calls, what each endpoint is like, who is killed when. Made by Hypothesis, pure.

Even the simplest plan has a bit of everything: its seed decides about the order of arrival and each single answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from switchhook.events import Direction, EventType
from tests.soak.moods import MOODS
from tests.unit.dispatcher.events import a_call, a_recording, an_event

if TYPE_CHECKING:
    from switchhook.events import Event
    from tests.soak.moods import Mood

TYPES = (
    EventType.RINGING,
    EventType.STARTED,
    EventType.ENDED,
    EventType.COMPLETED,
    EventType.RECORDING_READY,
    EventType.DIALING,
    EventType.RINGING_STOPPED,
)
# The settings of each endpoint beside its address, and what it wants, in words that the product does not read.
SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "everything": {"format": "standard"},
    "inbound": {"format": "cloudevents", "directions": ("inbound",)},
    "popups": {"format": "post", "events": ("ringing", "started", "ended")},
}
_POPUPS = frozenset({EventType.RINGING, EventType.STARTED, EventType.ENDED})
LATE_SHARE, REPEATED_SHARE = 0.15, 0.1


def is_wanted(name: str, event: Event) -> bool:
    """True when the endpoint of this name is to be told of the event."""
    match name:
        case "inbound":
            return event.call.direction is Direction.INBOUND
        case "popups":
            return event.type in _POPUPS
        case _:
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """A call and the types of its events, in order."""

    direction: Direction
    types: tuple[EventType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """`victim` is killed after so many `receptions` more, or when nothing has come for a while."""

    victim: int
    receptions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One soak. The database is restarted before the kill number `restart_before`, as by a crash or politely."""

    seed: int
    calls: tuple[PlannedCall, ...]
    moods: tuple[Mood, ...]
    kills: tuple[Kill, ...]
    restart_before: int
    crash: bool

    @property
    def events(self) -> list[Event]:
        """Of all calls, interleaved, in order."""
        made = [
            _event(number, call, sequence)
            for number, call in enumerate(self.calls)
            for sequence in range(1, len(call.types) + 1)
        ]
        return sorted(made, key=lambda event: event.sequence)

    @property
    def arrivals(self) -> list[list[Event]]:
        """What is published, a portion for each kill and one after the last: some events are late, some come twice."""
        dice = random.Random(self.seed)
        events = self.events
        events += dice.sample(events, int(len(events) * REPEATED_SHARE))
        for place in range(len(events)):
            if dice.random() < LATE_SHARE:
                other = dice.randrange(len(events))
                events[place], events[other] = events[other], events[place]
        size = len(events) // (len(self.kills) + 1) + 1
        return [events[start : start + size] for start in range(0, len(events), size)]


def plans(*, kills: int, calls_per_kill: int) -> st.SearchStrategy[Plan]:
    """Plans with exactly so many kills, and with at least so many calls for each."""
    call = st.builds(
        PlannedCall,
        direction=st.sampled_from([Direction.INBOUND, Direction.OUTBOUND]),
        types=st.lists(st.sampled_from(TYPES), min_size=3, max_size=7).map(tuple),
    )
    kill = st.builds(Kill, victim=st.integers(0, 1), receptions=st.integers(0, 30))
    least = kills * calls_per_kill
    return st.builds(
        Plan,
        seed=st.integers(0, 2**32 - 1),
        calls=st.lists(call, min_size=least, max_size=2 * least).map(tuple),
        moods=st.tuples(*(st.sampled_from(MOODS) for _ in SUBSCRIPTIONS)),
        kills=st.lists(kill, min_size=kills, max_size=kills).map(tuple),
        restart_before=st.integers(0, kills - 1),
        crash=st.booleans(),
    )


def _event(number: int, planned: PlannedCall, sequence: int) -> Event:
    call = a_call(f"230307114903_{number}", direction=planned.direction)
    kind = planned.types[sequence - 1]
    recording = a_recording(call.id) if kind is EventType.RECORDING_READY else None
    return an_event(kind, sequence=sequence, call=call, link=1, recording=recording)
