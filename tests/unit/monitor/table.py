"""Scenarios in tests: the product's own format, played straight, with repeated frames, or with restarts in between."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from services.monitor.calls import memory
from services.monitor.calls.history import CallKey
from services.monitor.calls.past import PastCall
from services.monitor.scenario.file import START, Scenario, read_observation, read_scenario
from services.monitor.scenario.notation import moment
from services.monitor.scenario.plans import default_plan
from services.monitor.scenario.playing import describe, table, tell, tracker_of
from services.monitor.scenario.shown import NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.monitor.calls.tracker import CallTracker, Changes
    from services.monitor.scenario.notation import Observation
    from switchhook.events import Event

__all__ = ["NUMBER", "START", "Scenario", "apply", "describe", "new_tracker", "plan", "play", "read"]

plan = default_plan
read = read_scenario


class Memory:
    """What the ledger would have kept."""

    def __init__(self) -> None:
        self.calls: dict[str, bytes] = {}
        self.past: list[PastCall] = []

    def keep(self, changes: Changes) -> None:
        """Takes what came of a line."""
        self.calls |= {call.id: memory.dump(call) for call in changes.changed}
        for call in changes.over:
            self.calls.pop(call.id, None)
            self.past += [PastCall(CallKey(call.arrived_at, number), call.last_at) for number in call.numbers]


def play(scenario: Scenario, *, forgetful: bool = False, twice: bool = False) -> list[str]:
    """The events' lines; `forgetful` restarts from the kept state before every line, `twice` repeats every frame."""
    tracker = tracker_of(scenario)
    events: list[Event] = []
    kept = Memory()
    told_at = scenario.start
    for line in scenario.frames:
        for _ in range(2 if twice and line.verb in ("upsert", "remove", "row") else 1):
            if forgetful and _asked_at(line, scenario.start) >= told_at:
                known, tracker = tracker.plan, tracker_of(scenario)
                tracker.plan = known
                tracker.restore((memory.load(raw) for raw in kept.calls.values()), kept.past, told_at)
            tell(tracker, line, scenario.start)
            changes = tracker.take()
            events += changes.events
            kept.keep(changes)
        told_at = max(told_at, line.at)
    by_call: dict[str, list[Event]] = {}
    for event in events:
        by_call.setdefault(event.call.id, []).append(event)
    for own in by_call.values():
        assert [event.sequence for event in own] == list(range(1, len(own) + 1))
        assert all(later.occurred_at >= one.occurred_at for one, later in itertools.pairwise(own))
    return table(events, scenario.start)


def new_tracker(hidden: Iterable[str] = (), *, report_internal: bool = False) -> CallTracker:
    """A tracker that knows the plan and no call."""
    return tracker_of(Scenario(title="", frames=(), hidden=tuple(hidden), report_internal=report_internal))


def apply(tracker: CallTracker, line: str) -> None:
    """Tells the tracker what one line of the frames says."""
    tell(tracker, read_observation(line))


def _asked_at(line: Observation, start: datetime) -> datetime:
    """A restart loses the answers to what was asked before it: so there can be none between question and answer."""
    return moment(line.facts["asked"], start) if "asked" in line.facts else line.at
