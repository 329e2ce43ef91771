"""A watcher of the world: a tracker that is told, and asks, as in the product, through any disturbance."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.calls import memory
from services.monitor.calls.history import CallKey
from services.monitor.calls.past import PastCall
from services.monitor.calls.sightings import as_of
from services.monitor.calls.tracker import CallTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall
    from switchhook.events import Event
    from tests.unit.monitor.life.world import Frame, World

GRACE = timedelta(seconds=2)
_LOST_BEFORE_NOTICED = timedelta(seconds=30)


class Watcher:
    """`events` are those of each call, by its number; `kept` is what would survive a kill."""

    def __init__(self, world: World, *, is_told_who_lives: bool = True) -> None:
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.lost_at: datetime | None = None
        self._world = world
        self._rows_are_given = is_told_who_lives
        self._kept: dict[str, bytes] = {}
        self._past: list[PastCall] = []
        self._first_at = world.now
        self._tracker = self._new_tracker()

    def hear(self, frames: Iterable[Frame]) -> None:
        """Frames arrive; what they name is read at once."""
        for frame in frames:
            leg = None if frame.is_remove else self._world.read(frame.key)
            if leg is None:
                self._tracker.leg_gone(frame.key, self._world.now)
            else:
                self._tracker.leg_seen(leg, self._world.now)
            self._keep()
        self.ask()

    def ask(self) -> None:
        """Asks about the calls that may be over, if it is time."""
        now = self._world.now
        if self.lost_at is not None or not (numbers := self._tracker.questions(now)):
            return
        rows = self._world.active_calls(numbers) if self._rows_are_given else None
        self._tracker.answer(numbers, rows, asked_at=now, at=now)
        self._keep()

    def next_question_in(self) -> float | None:
        """Seconds until the next question is due; None when there is none."""
        due_at = None if self.lost_at is not None else self._tracker.next_question_at()
        return None if due_at is None else max((due_at - self._world.now).total_seconds(), 0.0)

    def look(self, legs: list[Leg] | None = None, *, asked_at: datetime | None = None) -> None:
        """The periodic snapshot: of now, or one that was taken at `asked_at` and comes late."""
        now = self._world.now
        legs = self._world.snapshot() if legs is None else legs
        self._tracker.resync(legs, asked_at=asked_at or now, at=now)
        self._keep()
        self.ask()

    def lose_socket(self) -> None:
        """From now on nothing is heard."""
        self.lost_at = self.lost_at or self._world.now

    def find_socket(self, *, with_log: bool, meanwhile: Callable[[], Sequence[Frame]] = tuple) -> None:
        """The PBX is followed again; `meanwhile` is what happens between its answers, whose frames are held back."""
        assert self.lost_at is not None
        lost_at, asked_at = self.lost_at, self._world.now
        legs = self._world.snapshot()
        rows = self._world.active_calls() if self._rows_are_given else ()
        held = meanwhile()
        self.lost_at, now = None, self._world.now
        if with_log:
            since = max(lost_at - _LOST_BEFORE_NOTICED, self._first_at)
            past = as_of(self._world.call_log(), legs, self._world.plan, at=asked_at)
            self._tracker.replay(past, since=since, shown={leg.key for leg in legs})
        self._tracker.resync(legs, asked_at=asked_at, at=now, lost_at=lost_at, rows=rows)
        self._keep()
        self.hear(held)

    def restart(self) -> None:
        """Killed, and back with what was kept."""
        self._tracker = self._new_tracker()
        self._tracker.restore((memory.load(raw) for raw in self._kept.values()), self._past, self._world.now)

    def is_at_rest(self) -> bool:
        """True when no call is tracked."""
        return not self._tracker.calls

    def _new_tracker(self) -> CallTracker:
        plan = self._world.plan
        return CallTracker("main", plan, timezone=ZoneInfo("UTC"), report_internal=False, grace=GRACE)

    def _keep(self) -> None:
        changes = self._tracker.take()
        for event in changes.events:
            self.events[event.call.numbers[0]].append(event)
        self._kept |= {call.id: memory.dump(call) for call in changes.changed}
        for call in changes.over:
            self._forget(call)

    def _forget(self, call: LiveCall) -> None:
        self._kept.pop(call.id, None)
        self._past += [PastCall(CallKey(call.arrived_at, number), call.last_at) for number in call.numbers]
