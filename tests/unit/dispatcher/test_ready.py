"""Which of the loaded heads goes next."""

from __future__ import annotations

from services.dispatcher.ready import LIMIT, Rank, Ready, Turn
from tests.unit.dispatcher.test_consequence import a_head


def turn(rank: Rank) -> Turn:
    return Turn(a_head(), rank=rank)


def test_what_is_new_and_what_waited_go_by_turns() -> None:
    ready = Ready()
    for rank in (Rank.FRESH, Rank.FRESH, Rank.FRESH, Rank.BACKLOG):
        ready.add(turn(rank))
    ranks = [taken.rank for _ in range(4) if (taken := ready.take()) is not None]

    assert ranks.count(Rank.BACKLOG) == 1
    assert Rank.BACKLOG in ranks[:2]
    assert (len(ready), ready.take()) == (0, None)


def test_live_calls_go_before_the_backlog() -> None:
    ready = Ready()
    for rank in (Rank.BACKLOG, Rank.LIVE, Rank.FRESH):
        ready.add(turn(rank))
    taken = [ready.take_waiting(), ready.take_waiting(), ready.take_waiting()]

    assert [each.rank for each in taken if each is not None] == [Rank.LIVE, Rank.BACKLOG]
    assert len(ready) == 1


def test_each_queue_is_bounded_and_letting_go_empties_all() -> None:
    ready = Ready()

    assert [ready.add(turn(Rank.BACKLOG)) for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]
    assert ready.add(turn(Rank.FRESH))
    assert (ready.waiting, len(ready.clear()), len(ready)) == (LIMIT, LIMIT + 1, 0)
