"""Which events of a call may go, and which wait for their predecessors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.arrivals import Arrival, Arrivals, CallArrivals, CallKey, sort_out
from switchhook.events import EventId

CALL = CallKey("main/230307114903_10")


def arrivals(*sequences: int) -> list[Arrival]:
    return [Arrival(sequence, EventId(f"e-{sequence}")) for sequence in sequences]


def numbers(going: tuple[Arrival, ...]) -> list[int]:
    return [arrival.sequence for arrival in going]


def test_an_unbroken_row_goes_at_once_and_in_order() -> None:
    outcome = sort_out(CallArrivals(), arrivals(2, 1, 3))

    assert numbers(outcome.going) == [1, 2, 3]
    assert outcome.after == CallArrivals(reached=3)


def test_what_comes_after_a_gap_is_held() -> None:
    outcome = sort_out(CallArrivals(reached=2), arrivals(4, 3, 6))

    assert numbers(outcome.going) == [3, 4]
    assert outcome.after == CallArrivals(reached=4, held=frozenset(arrivals(6)))


def test_the_missing_one_lets_the_held_ones_go() -> None:
    outcome = sort_out(CallArrivals(reached=4, held=frozenset(arrivals(6, 7, 9))), arrivals(5))

    assert numbers(outcome.going) == [5, 6, 7]
    assert outcome.after == CallArrivals(reached=7, held=frozenset(arrivals(9)))


def test_a_late_one_goes_although_its_place_was_given_up() -> None:
    outcome = sort_out(CallArrivals(reached=7), arrivals(2))

    assert numbers(outcome.going) == [2]
    assert outcome.after == CallArrivals(reached=7)


def test_giving_up_lets_everything_before_it_and_right_behind_it_go() -> None:
    before = CallArrivals(held=frozenset(arrivals(3, 5, 6, 8)))

    outcome = sort_out(before, (), give_up_before=5)

    assert numbers(outcome.going) == [3, 5, 6]
    assert outcome.after == CallArrivals(reached=6, held=frozenset(arrivals(8)))


@given(order=st.permutations(range(1, 9)), cuts=st.lists(st.integers(1, 4), min_size=8, max_size=8))
def test_however_events_arrive_they_go_in_order_and_once(order: list[int], cuts: list[int]) -> None:
    state, gone, rest = CallArrivals(), list[int](), order
    for cut in cuts:
        batch, rest = rest[:cut], rest[cut:]
        outcome = sort_out(state, arrivals(*batch))
        gone += numbers(outcome.going)
        state = outcome.after

    assert gone == sorted(order)
    assert state == CallArrivals(reached=8)


class TestArrivals:
    """The memory of calls."""

    def test_of_an_unknown_call_nothing_is_sure(self) -> None:
        assert not Arrivals().is_surely_new(CALL, 1)

    def test_only_what_was_not_reached_and_is_not_held_is_surely_new(self) -> None:
        memory = Arrivals()
        memory.remember(CALL, CallArrivals(reached=2, held=frozenset(arrivals(5))))

        assert [memory.is_surely_new(CALL, sequence) for sequence in range(1, 7)] == [
            False, False, True, True, False, True,
        ]  # fmt: skip

    def test_the_call_seen_longest_ago_is_forgotten_first(self) -> None:
        memory = Arrivals(capacity=2)
        calls = [CallKey(f"main/{number}") for number in range(3)]
        for call in (calls[0], calls[1], calls[0], calls[2]):
            memory.remember(call, CallArrivals(reached=9))

        assert [memory.of(call).reached for call in calls] == [9, 0, 9]

    def test_a_forgotten_call_is_in_doubt_again(self) -> None:
        memory = Arrivals()
        memory.remember(CALL, CallArrivals(reached=2))
        memory.forget([CALL])

        assert not memory.is_surely_new(CALL, 3)
