"""What was seen late, came back, or was told in part: the call log tells the rest of it, and nothing twice."""

from __future__ import annotations

import itertools

import pytest

from services.monitor.calls import gaps, memory
from services.monitor.calls.legs import Leg, LegStatus
from services.monitor.calls.sightings import as_of
from switchhook.events import DnKind
from tests.unit.monitor.logged import SINCE, at, hang_up, segment, told
from tests.unit.monitor.table import NUMBER, Memory, apply, describe, new_tracker


def _leg(dn: str, status: LegStatus, *, identity: int = 3) -> Leg:
    return Leg(
        dn=dn,
        id=identity,
        kind=DnKind.EXTENSION,
        status=status,
        number=10,
        party_dn="10007",
        party_kind=DnKind.TRUNK,
        party_number=NUMBER,
    )


def test_what_ended_between_the_snapshot_and_the_log_is_left_to_its_frames() -> None:
    """The snapshot has its leg, the log its end; told from both it would be told twice."""
    leg = _leg("117", LegStatus.CONNECTED)
    tracker = new_tracker()
    before, talk = segment("800", 1, 5, answered=1, arrived=1), segment("117", 5, 30.2, answered=8, arrived=1)
    later = segment("204", 30.1, 30.3, number=11, arrived=30.1)
    past = as_of([before, talk, later], [leg], tracker.plan, at=at(30))
    assert past == [before]
    assert as_of([talk], [], tracker.plan, at=at(30)) == [talk]


@pytest.mark.parametrize("status", [LegStatus.RINGING, LegStatus.CONNECTED])
def test_a_call_that_came_back_to_its_transferor_just_now_was_talked_by_him_before(status: LegStatus) -> None:
    """The leg of the snapshot is not that of the segment, though the segment ended only a moment before."""
    tracker = new_tracker()
    log = [segment("117", 0, 20, answered=2), segment("204", 20, 21.2)]
    leg = _leg("117", status, identity=9)
    past = as_of(log, [leg], tracker.plan, at=at(22))
    assert past == log
    tracker.replay(past, since=SINCE, shown=(leg.key,))
    tracker.resync([leg], asked_at=at(22), at=at(22), lost_at=at(-1))
    assert told(tracker)[:6] == [
        "0.0 ringing 117 link=0 reconciled",
        "2.0 started 117 link=1 reconciled",
        "20.0 ringing 204 link=1 reconciled",
        "20.0 ended 117 link=1 blind answered 18.0s transferred reconciled",
        "21.2 ringing_stopped 204 link=1 reconciled",
        "22.0 ringing 117 link=1 reconciled",
    ]


def test_a_call_that_was_first_seen_long_after_its_arrival_is_not_told_again() -> None:
    """It rang where this client sees nothing; the log has it since then, under an id of that time."""
    tracker = new_tracker(hidden=["199"])
    apply(tracker, "20.0 upsert 117/1 Ringing call=10")
    assert told(tracker) == ["20.0 ringing 117 link=0"]
    hidden = [segment("199", 0, 20)]
    tracker.replay(hidden, since=SINCE, shown=(("117", 1),))
    assert told(tracker) == []
    tracker.replay([*hidden, segment("117", 20, 40, answered=30)], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == ["30.0 started 117 link=1 reconciled", "40.0 ended 117 link=1 answered 10.0s reconciled"]


def test_a_call_that_was_seen_some_seconds_after_its_arrival_does_not_end_in_the_future() -> None:
    """Its first frames were lost: that is no sign of a PBX whose clock is behind."""
    tracker = new_tracker()
    apply(tracker, "5.0 upsert 117/1 Connected call=10 routed=1")
    told(tracker)
    tracker.replay([segment("117", 0, 10, answered=5)], since=SINCE, shown=())
    hang_up(tracker, 12)
    assert told(tracker) == ["10.0 ended 117 link=1 answered 5.0s reconciled"]


def test_an_unknown_call_before_a_restart_is_left_to_the_proof() -> None:
    """A later one has its number."""
    tracker = new_tracker()
    apply(tracker, "90.0 upsert 117/1 Ringing call=10")
    told(tracker)
    tracker.replay([segment("204", 0, 60, answered=3)], since=SINCE, shown=(("117", 1),))
    assert told(tracker) == []


def test_a_call_that_came_and_went_under_the_number_of_one_before_a_restart_is_another_one() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 117/1 Ringing call=10")
    apply(tracker, "1.0 upsert 117/1 Connected call=10")
    told(tracker)
    log = [segment("117", 0, 20, answered=1), segment("204", 30, 40, answered=33, arrived=30)]
    tracker.replay(log, since=SINCE, shown=())
    hang_up(tracker, 60)
    first, second = "260514120000_10", "260514120030_10"
    assert [f"{event.call.id} {describe(event)}" for event in tracker.take().events] == [
        f"{first} 20.0 ended 117 link=1 answered 19.0s reconciled",
        f"{second} 30.0 ringing 204 link=0 reconciled",
        f"{second} 33.0 started 204 link=1 reconciled",
        f"{second} 40.0 ended 204 link=1 answered 7.0s reconciled",
    ]


def test_who_was_found_talking_and_got_the_call_back_in_the_next_gap_talked_twice() -> None:
    """His first sight is nearer to the beginning of his second part than to that of the one that he was seen in."""
    tracker = new_tracker()
    queue = segment("820", 0, 30, answered=0)
    tracker.replay([queue], since=SINCE, shown=(("117", 5),))
    apply(tracker, "40.0 snapshot lost=1.0 117/5=Connected@10")
    assert told(tracker) == [
        "0.0 ringing 820 link=0 reconciled",
        "40.0 ringing 117 link=0 reconciled",
        "40.0 started 117 link=1 reconciled",
    ]
    first, second = segment("117", 28, 40.1, answered=30), segment("117", 41.2, 47, answered=42)
    tracker.replay([queue, first, segment("204", 40.1, 41.1), second], since=SINCE, shown=())
    hang_up(tracker, 60)
    assert told(tracker) == [
        "40.1 ringing 204 link=1 reconciled",
        "40.1 ended 117 link=1 blind answered 0.1s transferred reconciled",
        "41.1 ringing_stopped 204 link=1 reconciled",
        "41.2 ringing 117 link=1 reconciled",
        "42.0 started 117 link=2 blind reconciled",
        "47.0 ended 117 link=2 answered 5.0s reconciled",
    ]


@pytest.mark.parametrize("frames", range(9))
def test_a_kill_while_a_long_gap_is_told_repeats_nothing(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "_PIECE", 1)
    log = [
        segment("820", 0, 4, answered=0),
        segment("101", 1, 3),
        segment("117", 3.5, 10, answered=4),
        segment("204", 10.5, 20, answered=12),
    ]
    whole = new_tracker()
    whole.replay(log, since=SINCE, shown=())
    hang_up(whole, 60)
    killed, kept = new_tracker(), Memory()
    for _ in itertools.islice(killed.replaying(log, since=SINCE, shown=()), frames):
        pass
    changes = killed.take()
    kept.keep(changes)
    heir = new_tracker()
    heir.restore(map(memory.load, kept.calls.values()), kept.past, at(50))
    heir.replay(log, since=SINCE, shown=())
    hang_up(heir, 60)
    assert [*map(describe, changes.events), *told(heir)] == told(whole)


def test_a_call_of_which_the_first_frame_was_read_after_its_end_is_not_told_again() -> None:
    """The machine was busy for many seconds."""
    tracker = new_tracker()
    for line in ("25.0 upsert 117/1 Ringing call=10", "25.1 remove 117/1", "25.2 asked alive="):
        apply(tracker, line)
    told(tracker)
    tracker.replay([segment("117", 12, 22, arrived=12)], since=SINCE, shown=())
    assert told(tracker) == []


def test_a_frame_that_was_held_back_while_the_log_told_its_call_is_old_news() -> None:
    """The leg was read when it still lived, the log when it did not any more."""
    tracker = new_tracker()
    tracker.replay([segment("117", 0, 10)], since=SINCE, shown=())
    hang_up(tracker, 11)
    assert told(tracker) == ["0.0 ringing 117 link=0 reconciled", "10.0 ended 117 link=0 missed reconciled"]
    for line in ("8.0 upsert 117/1 Ringing call=10", "10.0 remove 117/1", "12.0 asked alive="):
        apply(tracker, line)
    assert told(tracker) == []
