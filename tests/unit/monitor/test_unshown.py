"""Which calls the list of active calls is read for: those of which the socket does not show everything."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.monitor.table import START, apply, new_tracker


def unshown(*lines: str, before: float = 0.0, hidden: tuple[str, ...] = ("800", "820")) -> list[int]:
    """After these lines."""
    tracker = new_tracker(hidden)
    for line in lines:
        apply(tracker, line)
        tracker.take()
    return tracker.unshown(before=START + timedelta(seconds=before))


def test_a_call_in_a_hidden_queue_is_asked_about() -> None:
    assert unshown("0.0 row 10 callee=820", "1.0 upsert 117/1 Ringing call=10") == [10]


def test_so_is_one_whose_agent_shows_that_it_rings_for_the_queue() -> None:
    assert unshown("1.0 upsert 117/1 Ringing call=10 behalf=820") == [10]


def test_it_is_not_once_an_agent_talks() -> None:
    frames = ("0.0 row 10 callee=820", "1.0 upsert 117/1 Ringing call=10", "2.0 upsert 117/1 Connected call=10")
    assert unshown(*frames, "3.0 row 10 callee=117") == []


def test_a_call_that_the_socket_shows_is_not() -> None:
    assert unshown("0.0 upsert 117/1 Ringing call=10") == []
    assert unshown("0.0 upsert 820/1 Connected call=10", hidden=()) == []


def test_a_call_of_software_is_until_its_number_is_known() -> None:
    begun = "0.0 upsert 117/1 Ringing call=10 number=MAKECALL"
    assert unshown(begun) == [10]
    assert unshown(begun, "1.0 upsert 117/1 Dialing call=10 number=05552221133") == []
    assert unshown(begun, "1.0 remove 117/1", "1.0 asked alive=") == []


def test_a_call_without_legs_is_left_to_the_question_whether_it_lives() -> None:
    waiting = ("0.0 row 10 callee=820", "0.0 asked alive=10")
    assert unshown(*waiting, before=5.0) == []
    assert unshown(*waiting, before=0.05) == [10]  # that question comes later


def test_calls_that_wait_are_asked_about_together() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 117/1 Ringing call=10", "0.0 remove 117/1", "3.0 asked alive=10"):
        apply(tracker, line)
    for line in ("3.4 upsert 118/2 Ringing call=11", "3.4 remove 118/2", "3.4 asked alive=11"):
        apply(tracker, line)
    assert tracker.questions(START + timedelta(seconds=3.45)) == []
    assert sorted(tracker.questions(START + timedelta(seconds=3.5))) == [10, 11]  # 10 alone would be asked about at 4.0
