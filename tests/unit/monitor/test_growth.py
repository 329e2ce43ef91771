"""What a frame costs does not depend on how many calls live: counted in instructions, so that no clock decides."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.monitor.calls.history import CallKey
from services.monitor.calls.live import MOST_PARTICIPANTS
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.past import PastCall
from services.monitor.payloads import read_snapshot
from switchhook.events import DnKind
from tests.unit.monitor.table import START, apply, new_tracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from _typeshed import TraceFunction

    from services.monitor.calls.tracker import CallTracker

FEW, MANY = 20, 400
SLACK = 1.1
READ_A_LEG, COMPARED_A_LEG = 200, 100
"""Instructions at most for a leg that has not changed; to read one anew and tell the tracker takes a thousand."""


def instructions(work: Callable[[], object]) -> int:
    """How many of Python's instructions the work takes."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> TraceFunction:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def busy(calls: int, hidden: tuple[str, ...] = ()) -> CallTracker:
    """A tracker of so many calls in which an extension that is in no other talks; what came of them is taken."""
    tracker = new_tracker(hidden)
    kinds = {**tracker.plan.kinds, **{f"9{number:05}": DnKind.EXTENSION for number in range(calls)}}
    tracker.plan = NumberingPlan(kinds=kinds, visible=frozenset(kinds) - set(hidden))
    for number in range(calls):
        apply(tracker, f"0.0 upsert 9{number:05}/1 Ringing call={1000 + number}")
        apply(tracker, f"1.0 upsert 9{number:05}/1 Connected call={1000 + number}")
    assert len(tracker.take().events) == 2 * calls
    return tracker


def told(tracker: CallTracker, *lines: str) -> Callable[[], object]:
    def work() -> None:
        for line in lines:
            apply(tracker, line)
        tracker.unshown(before=_at(60))
        tracker.next_question_at()
        tracker.take()

    return work


FRAMES = {
    "a call comes and is answered": ("5.0 upsert 117/7 Ringing call=7", "6.0 upsert 117/7 Connected call=7"),
    "an extension calls another": (
        "5.0 upsert 117/7 Dialing call=7 party=204",
        "5.0 upsert 204/8 Ringing call=7 party=117",
    ),
    "a call is over": ("5.0 upsert 117/7 Ringing call=7", "6.0 remove 117/7", "6.0 asked alive="),
    "software makes a call": ("5.0 upsert 117/7 Ringing call=7 number=MAKECALL", "6.0 remove 117/7"),
    "a row of a hidden queue": ("5.0 row 7 callee=820", "6.0 row 7 callee=820"),
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_a_frame_costs_the_same_however_many_calls_live(frames: tuple[str, ...]) -> None:
    few = instructions(told(busy(FEW, ("820",)), *frames))
    many = instructions(told(busy(MANY, ("820",)), *frames))
    assert many < few * SLACK


def test_a_row_that_tells_nothing_new_keeps_nothing() -> None:
    tracker = busy(FEW, ("820",))
    apply(tracker, "5.0 row 1003 callee=900003")
    changes = tracker.take()
    assert not changes.changed


def test_a_call_of_the_log_is_known_at_the_same_cost_however_many_are_over() -> None:
    def known(past: int) -> int:
        tracker = new_tracker()
        tracker.restore((), (PastCall(CallKey(_at(0), number), _at(1)) for number in range(past)), START)
        memory = tracker.register.past
        assert memory.knows(CallKey(_at(0), past // 2))
        return instructions(lambda: memory.knows(CallKey(_at(0), past // 2)))

    assert known(4000) == known(40)


def test_a_snapshot_in_which_nothing_changed_is_looked_through_and_no_more() -> None:
    def snapshot(calls: int) -> tuple[int, int]:
        tracker = busy(calls)
        shown = [_shown(f"9{number:05}", 1, 1000 + number) for number in range(calls)]
        first = read_snapshot(shown, tracker.plan, tracker.known_leg)
        tracker.resync(first, asked_at=_at(20), at=_at(20))
        again = read_snapshot(shown, tracker.plan, tracker.known_leg)
        assert all(leg is tracker.known_leg(leg.key) for leg in again)
        read = instructions(lambda: read_snapshot(shown, tracker.plan, tracker.known_leg))
        return read, instructions(lambda: tracker.resync(again, asked_at=_at(30), at=_at(30)))

    read, compared = snapshot(MANY)
    assert read < MANY * READ_A_LEG
    assert compared < MANY * COMPARED_A_LEG


def test_a_queue_that_hunts_for_an_hour_makes_no_event_larger_and_larger() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 820/1 Connected call=10")
    for ring in range(600):
        apply(tracker, f"{ring + 1}.0 upsert {100 + ring % 10}/{ring + 2} Ringing call=10 behalf=820")
        apply(tracker, f"{ring + 1}.5 remove {100 + ring % 10}/{ring + 2}")
    apply(tracker, "602.0 upsert 204/999 Ringing call=10 behalf=820")
    apply(tracker, "603.0 upsert 204/999 Connected call=10 behalf=820")
    last = tracker.take().events[-1].call.participants
    assert len(last) == MOST_PARTICIPANTS
    assert (last[0].dn, last[-1].dn) == ("820", "204")
    assert last[1].joined_at > _at(90)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _shown(dn: str, identity: int, number: int) -> dict[str, object]:
    participant: dict[str, object] = {"dn": dn, "id": identity, "callid": number, "status": "Connected"}
    participant |= {"party_dn": "10007", "party_dn_type": "Wexternalline", "party_caller_id": "05552221133"}
    empty = ("party_did", "referred_by_dn", "on_behalf_of_dn", "originated_by_dn")
    return {"dn": dn, "participants": [participant | dict.fromkeys(empty, "")]}
