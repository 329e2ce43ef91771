"""How monitors share PBXs: a table of owners and what each does next, until nothing moves any more."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from switchhook.storage.sharing import Moves, Ownership, Replica, next_moves

Table = dict[str, Ownership]


def table(**owners: int) -> Table:
    """PBXs by name with the numbers of their owners."""
    return {pbx: Ownership(pbx, owner) for pbx, owner in owners.items()}


def moves(rows: Table, living: set[int], number: int, *, left_over: tuple[str, ...] = ()) -> Moves:
    """What a replica that has everything in its configuration does."""
    replica = Replica(number=number, configured=set(rows), left_over=left_over)
    return next_moves(list(rows.values()), living, replica)


class World:
    """Replicas that act one after the other, each by the table as it finds it, as the database would let them."""

    def __init__(self, configured_by_number: dict[int, set[str]]) -> None:
        self.configured = dict(configured_by_number)
        self.rows = {pbx: Ownership(pbx) for pbx in sorted(set().union(*configured_by_number.values()))}
        self.handed_over = 0

    def act(self, number: int) -> bool:
        """One look; True when it changed anything."""
        living = set(self.configured)
        own = self.configured[number]
        unwatched = {pbx for pbx, row in self.rows.items() if row.owner not in living}
        done = next_moves(
            list(self.rows.values()), living, Replica(number=number, configured=own, left_over=self._left_over)
        )
        for pbx in done.claim:
            assert pbx in unwatched & own
            self.rows[pbx] = Ownership(pbx, number)
        for pbx in done.ask:
            assert pbx in own
            self.rows[pbx] = replace(self.rows[pbx], wanted_by=number)
        for pbx in done.hand_over:
            row = self.rows[pbx]
            assert row.owner == number
            self.rows[pbx] = Ownership(pbx, row.wanted_by)
            self.handed_over += 1
        return bool(done.claim or done.ask or done.hand_over)

    def settle(self) -> None:
        """Until nobody does anything any more, not even about what is left over for long."""
        self._left_over: set[str] = set()
        for left_over in (set(), set(self.rows)):
            self._left_over = left_over
            for _ in range(1_000):
                acted = [self.act(number) for number in sorted(self.configured)]
                if not any(acted):
                    break
            else:
                raise AssertionError("it never comes to rest")

    def counts(self) -> list[int]:
        """How many PBXs each of the living watches."""
        count = Counter(row.owner for row in self.rows.values())
        return [count[number] for number in self.configured]


def test_free_pbxs_are_claimed_up_to_a_fair_share() -> None:
    rows = table(a=0, b=0, c=0, d=9, e=2)
    assert len(moves(rows, {1, 2}, 1).claim) == 3
    assert len(moves(rows, {1, 2}, 2).claim) == 2
    assert set(moves(rows, {1}, 1).claim) == set("abcde")


def test_replicas_do_not_all_reach_for_the_same_first() -> None:
    rows = table(**{f"p{number}": 0 for number in range(20)})
    assert len({moves(rows, {1, 2, 3, 4}, number).claim[0] for number in (1, 2, 3, 4)}) > 1


def test_what_nobody_else_wants_is_claimed_beyond_the_share() -> None:
    rows = table(a=1, b=0)
    assert moves(rows, {1, 2}, 1).claim == []
    assert moves(rows, {1, 2}, 1, left_over=("b",)).claim == ["b"]


def test_who_has_less_asks_one_who_has_most_for_one_at_a_time() -> None:
    rows = table(a=1, b=1, c=1, d=2)
    assert list(moves(rows, {1, 2, 3}, 3).ask) == ["a"]
    rows["a"] = replace(rows["a"], wanted_by=3)
    assert not moves(rows, {1, 2, 3}, 3).ask
    assert list(moves(rows, {1, 2, 3}, 1).hand_over) == ["a"]


def test_who_lacks_many_asks_for_several_at_a_time() -> None:
    rows = table(**{f"p{number}": 1 for number in range(100)})
    assert len(moves(rows, {1, 2}, 2).ask) == 12


def test_nothing_is_asked_for_or_handed_over_while_a_pbx_is_free() -> None:
    rows = table(a=1, b=1, c=1, d=8)
    rows["a"] = replace(rows["a"], wanted_by=2)
    assert moves(rows, {1, 2}, 1) == Moves(claim=[])
    assert moves(rows, {1, 2}, 2) == Moves(claim=["d"])


def test_nothing_is_handed_over_to_the_dead_or_to_who_has_as_much() -> None:
    rows = table(a=1, b=1, c=2)
    rows["a"] = replace(rows["a"], wanted_by=2)
    assert not moves(rows, {1, 2}, 1).hand_over
    rows["a"] = replace(rows["a"], wanted_by=7)
    assert not moves(rows, {1, 2}, 1).hand_over


def test_a_want_of_the_dead_is_no_want() -> None:
    rows = {pbx: replace(row, wanted_by=7) for pbx, row in table(a=1, b=1).items()}
    assert list(moves(rows, {1, 2}, 2).ask) == ["a"]


def test_a_wish_that_is_not_granted_any_more_does_not_keep_from_asking_another() -> None:
    rows = table(a=1, b=1, c=2, d=2, e=2, f=3)
    rows["a"] = replace(rows["a"], wanted_by=3)
    assert not moves(rows, {1, 2, 3}, 1).hand_over
    assert list(moves(rows, {1, 2, 3}, 3).ask) == ["c"]
    rows |= {pbx: replace(rows[pbx], wanted_by=1) for pbx in "cde"}
    assert list(moves(rows, {1, 2, 3}, 3).ask) == ["c"]


@given(
    st.integers(1, 30),
    st.lists(st.sampled_from(["join", "die"]), max_size=6),
)
def test_the_shares_of_like_replicas_become_equal_and_then_nothing_moves(pbxs: int, changes: list[str]) -> None:
    names = {f"p{number}" for number in range(pbxs)}
    world = World({1: names})
    world.settle()
    for number, change in enumerate(changes, start=2):
        if change == "join":
            world.configured[number] = names
        elif len(world.configured) > 1:
            world.configured.pop(min(world.configured))
        before = world.handed_over
        world.settle()
        assert max(world.counts()) - min(world.counts()) <= 1
        assert world.handed_over - before <= pbxs
        assert {row.owner for row in world.rows.values()} <= set(world.configured)


@given(st.dictionaries(st.integers(1, 4), st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1))
def test_every_pbx_is_watched_by_someone_who_knows_it(configured: dict[int, set[str]]) -> None:
    """While a configuration is rolled out, the replicas differ in it."""
    world = World(configured)
    world.settle()
    for pbx, row in world.rows.items():
        assert pbx in configured[row.owner]
