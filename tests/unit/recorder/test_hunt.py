"""The hunt for recordings, moment by moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.recorder.hunt import Found, Hunt
from services.recorder.jobs import Absent, PendingCall, pending_call
from switchhook.events import Direction
from tests.unit.recorder.calls import after, final, row


def hunt() -> Hunt:
    return Hunt(wait_for=timedelta(minutes=10), settle=timedelta(seconds=2))


def call(*, links: int = 1, number: int = 46) -> PendingCall:
    end = final(links=links, number=number)
    return pending_call(end, accepted_at=end.occurred_at)


def ids(found: list[Found]) -> list[tuple[int, list[int]]]:
    return [(each.link.key.link, [row.id for row in each.rows]) for each in found]


def test_a_link_is_complete_once_a_later_look_brings_nothing_more() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.take([row(1)], at=after(61))
    assert chase.is_settling
    assert chase.complete(looked_at=after(62)) == []
    assert ids(chase.complete(looked_at=after(63))) == [(1, [1])]
    assert chase.is_idle


def test_a_further_file_starts_the_waiting_again_and_files_are_in_order() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.take([row(7, begin=30)], at=after(61))
    chase.take([row(7, begin=30), row(8, begin=0)], at=after(62.5))
    assert chase.complete(looked_at=after(63)) == []
    assert ids(chase.complete(looked_at=after(64.5))) == [(1, [8, 7])]


def test_a_link_whose_files_are_as_long_as_it_was_is_complete_at_once() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    first, second = row(1), replace(row(2, begin=20), ended_at=after(59.5))
    chase.take([first], at=after(61))
    assert chase.complete(looked_at=after(61)) == []
    chase.take([second], at=after(61))
    assert ids(chase.complete(looked_at=after(61))) == [(1, [1, 2])]


def test_a_link_is_not_complete_while_a_file_of_it_grows() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.add(call(number=47), at=after(60))
    chase.take([row(1), row(2, number=47)], at=after(61))
    half = replace(row(3, begin=30), ended_at=after(30))
    assert ids(chase.complete(looked_at=after(63), growing=[half])) == [(1, [2])]
    chase.take([row(3, begin=30)], at=after(64))
    assert ids(chase.complete(looked_at=after(66))) == [(1, [1, 3])]


def test_a_link_that_is_whole_waits_for_no_file_that_grows() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.take([replace(row(1), ended_at=after(59.5))], at=after(61))
    assert ids(chase.complete(looked_at=after(61), growing=[row(2, begin=30)])) == [(1, [1])]


def test_half_of_a_short_talk_is_not_the_whole() -> None:
    chase = hunt()
    pending = call()
    pending.links = (replace(pending.links[0], ended_at=after(1.6)),)
    chase.add(pending, at=after(2))
    first, second = (replace(row(n), started_at=after(at), ended_at=after(at + 0.8)) for n, at in ((1, 0.0), (2, 0.8)))
    chase.take([first], at=after(3))
    assert chase.complete(looked_at=after(3)) == []
    chase.take([second], at=after(4))
    assert ids(chase.complete(looked_at=after(4))) == [(1, [1, 2])]


def test_a_row_that_does_not_tell_its_times_completes_nothing_by_its_length() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.take([replace(row(1), ended_at=after(70)), replace(row(2), ended_at=None)], at=after(61))
    assert chase.complete(looked_at=after(61)) == []
    assert ids(chase.complete(looked_at=after(63))) == [(1, [1, 2])]


def test_links_become_complete_on_their_own_newest_first() -> None:
    chase = hunt()
    chase.add(call(links=2), at=after(120))
    chase.take([row(1, link=2)], at=after(121))
    assert ids(chase.complete(looked_at=after(130))) == [(2, [1])]
    chase.take([row(2, link=1)], at=after(140))
    assert ids(chase.complete(looked_at=after(142))) == [(1, [2])]


def test_rows_from_before_the_end_of_the_call_are_remembered() -> None:
    chase = hunt()
    chase.take([row(1), row(2, number=99)], at=after(50))
    chase.add(call(), at=after(60))
    assert ids(chase.complete(looked_at=after(62))) == [(1, [1])]


def test_a_row_of_a_link_that_is_done_goes_to_no_other() -> None:
    """Two links of one extension in one call: after a restart the older one's outcome is known."""
    chase = hunt()
    pending = call(links=2)
    pending.outcomes[1] = Absent()
    chase.add(pending, at=after(120))
    chase.take([row(1, link=1, begin=50)], at=after(121))
    assert chase.complete(looked_at=after(130)) == []


def test_a_link_is_overdue_only_after_a_sweep_that_found_nothing() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    late = after(60 + 600)
    assert chase.overdue() == []
    chase.swept(at=late - timedelta(seconds=1))
    assert chase.overdue() == []
    assert chase.next_sweep() == late
    chase.swept(at=late)
    assert [each.link.key.link for each in chase.overdue()] == [1]
    assert chase.is_idle


def test_sweeps_become_rarer_and_the_last_is_at_the_deadline() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    moments = []
    while not chase.overdue():
        at = chase.next_sweep()
        assert at is not None
        moments.append((at - after(60)).total_seconds())
        chase.swept(at=at)
    assert moments == [10, 40, 130, 400, 600]


def test_a_link_that_is_found_while_another_is_overdue_is_not_absent() -> None:
    chase = hunt()
    chase.add(call(links=2), at=after(120))
    chase.take([row(1, link=2)], at=after(720))
    chase.swept(at=after(720))
    assert [each.link.key.link for each in chase.overdue()] == [1]
    assert ids(chase.complete(looked_at=after(722))) == [(2, [1])]
    assert chase.is_idle


def test_windows_cover_the_links_that_wait_and_are_joined() -> None:
    chase = hunt()
    chase.add(call(links=2), at=after(120))
    assert chase.windows(at=after(129)) == []
    [window] = chase.windows(at=after(130))
    assert (window.begin, window.end) == (after(-10), after(130))
    assert chase.windows(at=None) == [window]


def test_a_call_that_is_added_twice_is_hunted_once() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.take([row(1)], at=after(60))
    chase.add(call(), at=after(61))
    assert len(chase.complete(looked_at=after(63))) == 1
    assert chase.is_idle


def test_a_row_that_the_call_log_names_needs_no_name_of_its_own() -> None:
    chase = hunt()
    odd = replace(row(7, link=2, begin=300), call_number=None, sides=frozenset({"102"}))  # neither number nor time fit
    chase.take([odd], at=after(50))
    chase.add(call(links=2), at=after(120))
    assert chase.complete(looked_at=after(122)) == []
    chase.name(call().call_id, [7, 8], at=after(122))
    assert ids(chase.complete(looked_at=after(124))) == [(2, [7])]
    chase.take([replace(odd, id=8, sides=frozenset({"101"}))], at=after(125))
    assert ids(chase.complete(looked_at=after(130))) == [(1, [8])]


def test_what_the_call_log_names_of_a_consultation_is_no_links() -> None:
    chase = hunt()
    chase.add(call(), at=after(60))
    chase.name(call().call_id, [7], at=after(60))
    chase.take([replace(row(7), direction=Direction.INTERNAL)], at=after(61))
    chase.name("another call", [9], at=after(61))
    assert chase.complete(looked_at=after(70)) == []
