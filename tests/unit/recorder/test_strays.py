"""Recordings that nobody claims: remembered, claimed late, given up, and then filed under a call of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.filing import made_up_end
from services.recorder.jobs import pending_call
from services.recorder.strays import Strays
from switchhook.events import Direction, event_id
from switchhook.rpc import decode, encode
from tests.unit.recorder.calls import after, final, row

if TYPE_CHECKING:
    from services.recorder.matching import AwaitedLink


def link_of() -> AwaitedLink:
    return pending_call(final(), accepted_at=after(60)).links[0]


def test_a_stray_is_found_by_its_call_number_and_by_its_sides() -> None:
    strays = Strays()
    numbered, bare = row(1), replace(row(2), call_number=None)
    for each in (numbered, bare, row(3, number=99)):
        strays.remember(each, at=after(0))
    assert strays.near(link_of()) == [numbered, bare]


def test_what_is_claimed_is_no_stray_and_what_is_old_is_given_up() -> None:
    strays = Strays()
    for identity in (1, 2, 3):
        strays.remember(row(identity, number=identity), at=after(identity))
    strays.claim(row(2))
    strays.claim(row(77))
    assert [each.id for each in strays.unmatched(seen_before=after(2))] == [1]
    assert [each.id for each in strays.unmatched(seen_before=after(9))] == [1, 3]
    assert len(strays) == 2


def test_changes_are_told_once() -> None:
    strays = Strays()
    strays.restore([(row(1), after(0))])
    strays.remember(row(2), at=after(1))
    strays.remember(row(2), at=after(2))
    strays.remember(row(3), at=after(2))
    strays.claim(row(1))
    strays.claim(row(3))  # never kept, so there is nothing to forget
    assert strays.changes() == ([row(2)], [row(1)])
    assert strays.changes() == ([], [])
    strays.claim(row(2))
    assert strays.changes() == ([], [row(2)])


def test_changes_that_could_not_be_kept_are_told_again() -> None:
    strays = Strays()
    strays.restore([(row(1), after(0))])
    for identity in (2, 3):
        strays.remember(row(identity), at=after(1))
    strays.claim(row(1))
    seen, claimed = strays.changes()
    strays.claim(row(2))  # while that was written
    strays.remember(row(4), at=after(2))
    strays.unchanged(seen, claimed)
    assert strays.changes() == ([row(3), row(4)], [row(1), row(2)])


def test_too_many_are_given_up_early() -> None:
    strays = Strays()
    for identity in range(10_003):
        strays.remember(row(identity, number=identity), at=after(identity))
    assert [each.id for each in strays.unmatched(seen_before=after(-1))] == [0, 1, 2]


def test_a_recording_gets_a_call_that_no_pbx_has() -> None:
    listed = replace(
        row(4711), direction=Direction.OUTBOUND, user="101", outside_number="420777", did="", started_at=after(0)
    )
    end = made_up_end("main", listed, timezone="Europe/Prague", at=after(500))
    assert end.call.id == "260514140000_9000004711"
    assert end.id == event_id("main", end.call.id, 0)
    assert (end.call.direction, end.call.outside_number, end.user) == (Direction.OUTBOUND, "420777", "101")
    assert end.talk_time == timedelta(seconds=20)
    assert decode(encode(end)) == end
    assert [link.key.link for link in pending_call(end, accepted_at=after(500)).links] == [1]


def test_a_recording_that_tells_nothing_gets_a_call_too() -> None:
    bare = replace(row(1), call_number=None, sides=frozenset(), started_at=None, ended_at=None)
    end = made_up_end("main", bare, timezone="UTC", at=after(0))
    assert end.call.id == "260514120000_9000000001"
    assert (end.user, end.call.outside_number, end.call.arrived_at) == ("", "", after(0))
    assert decode(encode(end)) == end
