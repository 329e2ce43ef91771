"""Whatever happens to the frames, each call is told as one well-formed sentence, and truly where that can be known.

What can be known. A picture that is never more than one step of the call behind is the true one: so a frame that comes
twice, frames of different DNs that change places within one step, a frame that is lost, a socket that is lost and a
monitor that is killed must not change what is told, as long as the next look comes before the call's next step. Where
a look comes later, the steps between are gone for good, unless the call log has them: it tells a call that came and
went unseen whole, and of every call who talked. What `faults()` demands holds everywhere. The short form makes the same
lives each time; the long one (`make soak`) makes `SOAK_LIVES` new ones.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.unit.monitor.life import grammar
from tests.unit.monitor.life.scripts import scripts
from tests.unit.monitor.life.watcher import Watcher
from tests.unit.monitor.life.world import START, Frame, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.events import Event
    from tests.unit.monitor.life.scripts import Script

MOST_CALLS = 6
SHORT, LONG = 300, int(os.environ.get("SOAK_LIVES", "5000"))
# Explanations would trace every line, which makes a life five times as long.
USUAL = settings(
    stateful_step_count=50,
    phases=(Phase.generate, Phase.shrink),
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
_PATIENCE = 0.5  # seconds; well within the grace
_TICK = 0.01  # seconds; what the call log can tell apart
_MOMENT = 0.001  # seconds; a look is later than what was heard before it


class DisturbedWatch(RuleBasedStateMachine):
    """One watcher hears everything at once, the other one does not; at the end both tell what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.steady = Watcher(self.world)
        self.shaken = Watcher(self.world)
        self.behind: set[int] = set()
        self.torn: set[int] = set()
        self.unlogged: set[int] = set()
        self.begun_unseen: set[int] = set()
        self.hung_up_unseen: set[int] = set()
        self.is_told_who_lives = True

    @initialize(is_told_who_lives=st.booleans(), script=scripts())
    def connect(self, is_told_who_lives: bool, script: Script) -> None:
        """The PBX may refuse to say which calls live."""
        self.is_told_who_lives = is_told_who_lives
        self.steady = Watcher(self.world, is_told_who_lives=is_told_who_lives)
        self.shaken = Watcher(self.world, is_told_who_lives=is_told_who_lives)
        self.world.begin(script)

    @precondition(lambda self: len(self.world.live) < MOST_CALLS)
    @rule(script=scripts())
    def begin(self, script: Script) -> None:
        """One more call."""
        number = self.world.begin(script)
        if self.shaken.lost_at is not None:
            self.begun_unseen.add(number)

    @precondition(lambda self: self.world.live)
    @rule(choice=st.integers(0, MOST_CALLS - 1))
    def hang_up(self, choice: int) -> None:
        """An outside party hangs up whatever happens."""
        number = self.world.live[choice % len(self.world.live)]
        self._wait(_TICK)
        self.world.hang_up(number)
        self.begun_unseen.discard(number)  # the log does not tell which of several legs was gone first
        if self.shaken.lost_at is not None:
            self.hung_up_unseen.add(number)
        self._deliver(self._frames(number))

    @rule(steps=st.integers(1, 12))
    def go_on(self, steps: int) -> None:
        """Everything arrives, unless the socket is lost."""
        for _ in range(steps):
            self._deliver(self._step())

    @rule(seed=st.integers(0, 999))
    def disorder(self, seed: int) -> None:
        """The frames of one step come twice, and those of different DNs in another order."""
        frames = self._step()
        dice = random.Random(seed)
        repeated = [one for frame in frames for one in [frame] * dice.randint(1, 2)]
        self._deliver(_shuffled(repeated, dice))

    @rule(seed=st.integers(0, 999), is_seen=st.booleans())
    def lose(self, seed: int, is_seen: bool) -> None:
        """Some frames of one step are lost, perhaps until a look that comes at once."""
        frames = self._step()
        dice = random.Random(seed)
        heard = [frame for frame in frames if dice.random() < 0.4]
        self._deliver(heard, of=frames)
        if is_seen:
            self.look()

    @precondition(lambda self: self.shaken.lost_at is None)
    @rule()
    def look(self) -> None:
        """The periodic snapshot."""
        if self.shaken.lost_at is None:
            self._wait(_MOMENT)
            self.shaken.look()
            self.behind.clear()

    @precondition(lambda self: self.shaken.lost_at is None)
    @rule()
    def look_late(self) -> None:
        """A snapshot whose answer comes after later frames is older news."""
        legs, asked_at = self.world.snapshot(), self.world.now
        was_behind = self.behind.copy()
        self._deliver(self._step())
        self.shaken.look(legs, asked_at=asked_at)
        self.torn |= was_behind

    @rule()
    def restart(self) -> None:
        """Killed and back at once."""
        self.shaken.restart()

    @precondition(lambda self: self.shaken.lost_at is None)
    @rule()
    def lose_socket(self) -> None:
        """Nothing is heard until it is found."""
        self.shaken.lose_socket()

    @precondition(lambda self: self.shaken.lost_at is not None)
    @rule(with_log=st.booleans(), is_slow=st.booleans())
    def find_socket(self, with_log: bool, is_slow: bool) -> None:
        """The PBX is followed again, with the call log or without; perhaps something happens between its answers."""
        self._wait(_MOMENT)
        came_and_went = {number for number in self.begun_unseen if number not in self.world.live}
        behind = self.behind.copy()
        self.shaken.find_socket(with_log=with_log, meanwhile=self._step if is_slow else tuple)
        self.torn |= self.behind if is_slow else set()
        self.unlogged |= self.behind - behind
        if with_log:
            self.torn -= came_and_went
            self.torn |= self.hung_up_unseen
        self.hung_up_unseen.clear()
        self.begun_unseen.clear()
        self.unlogged |= {number for number in self.behind if not with_log or self.world.is_consulting(number)}
        self.behind.clear()

    def teardown(self) -> None:
        """All calls come to their end, and what was told is compared."""
        if self.shaken.lost_at is not None:
            self.find_socket(with_log=True, is_slow=False)
        while self.world.next_at() is not None:
            self._deliver(self._step())
        self.look()
        self._wait(3.0)
        assert self.steady.is_at_rest()
        assert self.shaken.is_at_rest()
        for number, events in self.steady.events.items():
            assert grammar.faults(events) == []
            started = [one.user for one in events if one.type == "call.started"]
            assert started == self.world.talkers(number)
        for number, events in self.shaken.events.items():
            for one in grammar.by_call(events):
                assert grammar.faults(one) == [], _side_by_side(events, self.steady.events[number])
            if self.is_told_who_lives:
                assert len(grammar.by_call(events)) == 1, _side_by_side(events, self.steady.events[number])
        for number, events in self.steady.events.items():
            if number not in self.torn:
                got, wanted = self.shaken.events[number], events
                assert grammar.say_the_same(got, wanted), _side_by_side(got, wanted)
            if number not in self.unlogged:
                got = self.shaken.events[number]
                assert grammar.talks(got) == grammar.talks(events), _side_by_side(got, events)

    def _step(self) -> list[Frame]:
        """The next thing that happens to any call; until then questions are asked when they are due."""
        next_at = self.world.next_at()
        if next_at is None:
            return []
        self._wait(max(next_at - self.world.seconds, 0.0))
        return self._frames(self.world.step())

    def _frames(self, number: int) -> list[Frame]:
        """What a call's step shows; one that shows nothing is a step too: the call may be over."""
        frames, self.world.frames = self.world.frames, []
        self.torn |= {number} & self.behind
        if self.shaken.lost_at is not None:
            self.behind.add(number)
        self.steady.hear(frames)
        return frames

    def _wait(self, seconds: float) -> None:
        if not self.is_told_who_lives and self.shaken.lost_at is None and seconds >= _PATIENCE:
            self.torn |= self.behind  # what is not asked for is taken for over
        began, until = self.world.seconds, self.world.seconds + seconds
        for watcher in (self.steady, self.shaken):
            while (due := watcher.next_question_in()) is not None and self.world.seconds + due < until:
                self.world.seconds += due
                watcher.ask()
            self.world.seconds = began
        self.world.seconds = until

    def _deliver(self, heard: list[Frame], *, of: list[Frame] | None = None) -> None:
        """A step arrives, or only some frames `of` it."""
        if self.shaken.lost_at is None:
            missed = [frame for frame in of or () if frame not in heard]
            numbers = {self.world.roots[frame.number] for frame in missed}
            self.behind |= numbers
            self.unlogged |= numbers
            self.shaken.hear(heard)


def _side_by_side(got: Sequence[Event], wanted: Sequence[Event]) -> str:
    def lines(events: Sequence[Event]) -> str:
        return "".join(f"\n  {(one.occurred_at - START).total_seconds():6.2f} {grammar.line(one)}" for one in events)

    return f"got{lines(got)}\nwanted{lines(wanted)}"


def _shuffled(frames: list[Frame], dice: random.Random) -> list[Frame]:
    """In another order; those of one DN stay as they are."""
    lines: dict[str, list[Frame]] = {}
    for frame in frames:
        lines.setdefault(frame.key[0], []).append(frame)
    order = [frame.key[0] for frame in frames]
    dice.shuffle(order)
    return [lines[dn].pop(0) for dn in order]


@pytest.mark.timeout(400)  # a failure is made small, which takes its time
def test_every_call_is_one_sentence_and_the_true_one_where_it_can_be_known() -> None:
    run_state_machine_as_test(DisturbedWatch, settings=settings(USUAL, max_examples=SHORT, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_every_call_is_one_sentence_for_long() -> None:
    run_state_machine_as_test(DisturbedWatch, settings=settings(USUAL, max_examples=LONG, derandomize=False))
