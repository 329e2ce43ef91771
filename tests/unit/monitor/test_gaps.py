"""A transfer is told with its true times whenever the watch is lost and found again: between any two of its steps."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from simulator.transfers import ATTENDED_VARIANTS, BLIND_VARIANTS
from tests.unit.monitor.life import grammar
from tests.unit.monitor.life.scripts import CALLERS, Arrival, Move, Script, Turn
from tests.unit.monitor.life.watcher import Watcher
from tests.unit.monitor.life.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.events import Event

_AFTER = 0.004  # seconds after a step
_SEEN_LATE = timedelta(seconds=0.2)
_REST = 5.0  # seconds until the last question is answered
TRANSFERS = [
    *((Move.BLIND, order, name) for order, name in enumerate(BLIND_VARIANTS)),
    *((Move.ATTENDED, order, name) for order, name in enumerate(ATTENDED_VARIANTS)),
]


def script(move: Move, order: int, arrival: Arrival) -> Script:
    return Script(arrival, CALLERS[0], False, 0, True, False, True, (Turn(move, order, 0),))


class Gap:
    """The watcher of a call is killed at `lost_at` and follows the PBX again at `found_at` (seconds)."""

    def __init__(self, played: Script, lost_at: float, found_at: float) -> None:
        self.world = World()
        self.watcher = Watcher(self.world)
        self.number = self.world.begin(played)
        self._marks = [(lost_at, self._lose), (found_at, self._find)]

    def events(self) -> list[Event]:
        """What is told of the call."""
        while (next_at := self.world.next_at()) is not None or self._marks:
            if self._marks and (next_at is None or self._marks[0][0] < next_at):
                at, happens = self._marks.pop(0)
                self._wait(at)
                happens()
                continue
            assert next_at is not None
            self._wait(next_at)
            self.world.step()
            frames, self.world.frames = self.world.frames, []
            if self.watcher.lost_at is None:
                self.watcher.hear(frames)
        self._wait(self.world.seconds + _REST)
        assert self.watcher.is_at_rest()
        return self.watcher.events[self.number]

    def _lose(self) -> None:
        self.watcher.lose_socket()
        self.watcher.restart()

    def _find(self) -> None:
        self.watcher.find_socket(with_log=True)
        self.watcher.ask()

    def _wait(self, until: float) -> None:
        while (due := self.watcher.next_question_in()) is not None and self.world.seconds + due < until:
            self.world.seconds += due
            self.watcher.ask()
        self.world.seconds = max(until, self.world.seconds)


@pytest.mark.parametrize("arrival", [Arrival.DIRECT, Arrival.QUEUE])
@pytest.mark.parametrize(("move", "order", "name"), TRANSFERS, ids=[f"{move}-{name}" for move, _, name in TRANSFERS])
def test_a_transfer_is_told_truly_wherever_the_gap_begins_and_ends(
    move: Move, order: int, name: str, arrival: Arrival
) -> None:
    played = script(move, order, arrival)
    steps = _steps(played)
    truth = Gap(played, steps[-1] + 1, steps[-1] + 2).events()
    wrong = [
        f"lost after {lost}, found after {found}:\n  " + "\n  ".join(grammar.line(one) for one in got)
        for lost, found in itertools.combinations(steps, 2)
        if not _is_true(got := Gap(played, lost + _AFTER, found + _AFTER).events(), truth)
    ]
    assert not wrong, "\n".join(wrong)


def _steps(played: Script) -> list[float]:
    world = World()
    world.begin(played)
    seconds = []
    while world.next_at() is not None:
        world.step()
        seconds.append(world.seconds)
    return sorted(set(seconds))


def _is_true(got: Sequence[Event], truth: Sequence[Event]) -> bool:
    if not grammar.say_the_same(got, truth):
        return False
    talks = [one.talk_time or timedelta() for one in got if one.type == "call.ended"]
    wanted = [one.talk_time or timedelta() for one in truth if one.type == "call.ended"]
    return all(abs(talk - other) <= _SEEN_LATE for talk, other in zip(talks, wanted, strict=True))
