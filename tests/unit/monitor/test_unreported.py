"""Which calls of the call log nobody reported, and what is said about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.monitor.calls.history import CallKey
from services.monitor.calls.past import PastCall, PastCalls
from services.monitor.calls.unreported import goes_on, told_whole, unknown_calls
from switchhook.events import EventType
from tests.unit.monitor.logs import at, row
from tests.unit.monitor.table import apply, describe, new_tracker

if TYPE_CHECKING:
    from services.monitor.calls.history import Segment
    from services.monitor.calls.tracker import CallTracker

SINCE, UNTIL = at(-60), at(3600)
MISSED = [row("10007>820 0-5 @0 Queue (820) was replaced by A (202)"), row("10007>202 2-10 @5 Ended by A (202)")]


def unknown(tracker: CallTracker, segments: list[Segment]) -> list[set[int]]:
    """The numbers of each unknown call."""
    found = unknown_calls(segments, tracker.register, tracker.plan, since=SINCE, until=UNTIL)
    return [{one.key.number for one in rows} for rows in found]


def over(tracker: CallTracker, number: int, arrived: float, ended: float) -> None:
    """A call was reported and is over."""
    tracker.register.past.remember(PastCall(CallKey(at(arrived), number), at(ended)))


def test_a_call_that_nobody_saw_is_unknown() -> None:
    assert unknown(new_tracker(), MISSED) == [{10}]


def test_a_call_that_was_reported_is_known() -> None:
    tracker = new_tracker()
    for line in ("0.0 upsert 820/1 Connected call=10", "10.0 remove 820/1", "10.1 asked alive="):
        apply(tracker, line)
    assert unknown(tracker, MISSED) == []


def test_a_call_that_lives_is_known() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 820/1 Connected call=10")
    assert unknown(tracker, MISSED[:1]) == []


@pytest.mark.parametrize(
    ("arrived", "ended", "is_known"),
    [
        (8, 10, True),  # its first legs were not shown
        (0, 4, True),  # the socket was lost; it was last seen then
        (2, 12, True),  # the clocks differ
        (-900, -600, False),  # the number began again
        (900, 960, False),
    ],
)
def test_a_call_is_known_by_its_number_and_by_when_it_lived(arrived: float, ended: float, is_known: bool) -> None:
    tracker = new_tracker()
    over(tracker, 10, arrived, ended)
    assert (unknown(tracker, MISSED) == []) is is_known


def test_a_number_that_a_later_call_has_now_says_nothing_of_the_earlier_one() -> None:
    tracker = new_tracker()
    apply(tracker, "900.0 upsert 117/1 Ringing call=10")
    assert unknown(tracker, MISSED) == [{10}]


def test_joined_calls_are_one() -> None:
    rows = [row("10007>117 0-8 @2"), row("117>204 4-8 @5", number=11, main=10, arrived=4)]
    assert unknown(new_tracker(), rows) == [{10, 11}]
    tracker = new_tracker()
    over(tracker, 11, 0, 20)  # it goes on under the number of the consultation
    assert unknown(tracker, rows) == []


@pytest.mark.parametrize(
    "rows",
    [
        [row("10007>202 3590-3601", arrived=3590)],
        [row("10007>202 0-10", arrived=-120)],
    ],
    ids=["ended_after_the_time", "arrived_before_the_time"],
)
def test_calls_that_are_not_wholly_in_the_time_are_not_judged(rows: list[Segment]) -> None:
    assert unknown(new_tracker(), rows) == []


def test_calls_of_dns_that_the_client_is_not_shown_are_none_of_its_business() -> None:
    tracker = new_tracker(hidden=["202", "820"])
    assert unknown(tracker, [row("10007>202 0-10 @5")]) == []
    assert unknown(tracker, MISSED) == [{10}]  # a hidden queue is seen among the active calls


def test_a_call_that_the_log_has_under_another_number_is_not_taken_for_a_missed_one() -> None:
    tracker = new_tracker()
    over(tracker, 77, 0.5, 10.5)
    assert unknown(tracker, MISSED) == []
    assert unknown(tracker, [*MISSED, row("10007>204 0-10", number=12)]) == [{12}]  # one call is not two


def test_a_live_call_that_the_log_has_under_another_number_is_not_taken_for_a_missed_one() -> None:
    tracker = new_tracker()
    apply(tracker, "0.0 upsert 820/1 Connected call=77")
    assert unknown(tracker, MISSED[:1]) == []


def test_a_reported_call_that_the_log_has_does_not_stand_for_another_one() -> None:
    tracker = new_tracker()
    over(tracker, 11, 0, 10)
    assert unknown(tracker, [*MISSED, row("10007>204 0-10", number=11)]) == [{10}]


def test_what_nobody_saw_is_told_whole_with_its_true_times() -> None:
    changes = told_whole(MISSED, new_tracker(), at=UNTIL)
    assert changes is not None
    assert [describe(event) for event in changes.events] == [
        "0.0 ringing 820 link=0 reconciled",
        "2.0 ringing 202 link=0 reconciled",
        "5.0 started 202 link=1 reconciled",
        "10.0 ended 202 link=1 answered 5.0s reconciled",
    ]
    assert [call.numbers for call in changes.over] == [[10]]


def test_a_whole_attended_transfer_is_one_call() -> None:
    rows = [
        row("10007>117 0-8 @2 A (117) was replaced by B (204)"),
        row("117>204 4-8 @5 204 was joined", number=11, main=10, arrived=4),
        row("10007>204 8-20 @8 Ended by B (204)"),
    ]
    changes = told_whole(rows, new_tracker(), at=UNTIL)
    assert changes is not None
    assert [event.type for event in changes.events].count(EventType.ENDED) == 2
    assert len({event.call.id for event in changes.events}) == 1


@pytest.mark.parametrize(
    "rows", [[row("202>204 0-8 @3")], [row("10007>666 0-9 @0")]], ids=["internal", "straight_to_voicemail"]
)
def test_what_is_never_reported_is_not_reported_now(rows: list[Segment]) -> None:
    assert told_whole(rows, new_tracker(), at=UNTIL) is None


def test_an_internal_call_is_told_where_that_is_wanted() -> None:
    changes = told_whole([row("202>204 0-8 @3")], new_tracker(report_internal=True), at=UNTIL)
    assert changes is not None
    assert changes.events[-1].type is EventType.ENDED


def test_a_call_whose_last_row_hands_it_on_may_live() -> None:
    assert goes_on(MISSED[:1])
    assert not goes_on(MISSED)


class TestPastCalls:
    """Bounded, and it knows how far back it reaches."""

    def test_the_oldest_are_forgotten_first_and_that_is_known(self) -> None:
        past = PastCalls(capacity=2)
        for number in (1, 2, 3):
            past.remember(PastCall(CallKey(at(number), number), at(number + 10)))
        assert [past.knows(CallKey(at(number), number)) for number in (1, 2, 3)] == [False, True, True]
        assert past.forgotten_until == at(1)

    def test_what_is_too_old_to_be_asked_for_goes(self) -> None:
        past = PastCalls()
        for number in (1, 2):
            past.remember(PastCall(CallKey(at(number), number), at(number + 10)))
        past.forget(at(11.5))
        assert [past.knows(CallKey(at(number), number)) for number in (1, 2)] == [False, True]
        assert past.forgotten_until is None

    def test_clocks_may_differ_by_some_seconds(self) -> None:
        past = PastCalls()
        past.remember(PastCall(CallKey(at(0), 1), at(10)))
        assert past.knows(CallKey(at(9), 1))
        assert not past.knows(CallKey(at(11), 1))
        assert past.living(1, since=at(0) + timedelta(seconds=19), until=at(30))
        assert not past.living(1, since=at(21), until=at(30))
