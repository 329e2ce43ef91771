"""Rows of the call log are sorted by calls: by number and time, joined ones together."""

from __future__ import annotations

from datetime import timedelta

from services.monitor.calls.logged import LoggedCalls, merged, period_of
from tests.unit.monitor.logs import at, final, row

END = final(stays="extension 202 0-10 @4", links="202 none 4-10", ended=10)
OWN = row("10007>202 0-10 @4")


def test_the_rows_of_a_call_are_those_of_its_number_and_time() -> None:
    other = row("10007>204 1-9 @3", number=11, arrived=1)
    before_a_restart = row("10007>204 0-9", arrived=-600)
    assert LoggedCalls([other, before_a_restart, OWN]).of(END) == [OWN]


def test_of_two_calls_with_the_number_the_one_that_arrived_nearer_is_meant() -> None:
    """The PBX was restarted in the seconds between them."""
    after_a_restart = row("10007>204 8-20", arrived=8)
    assert LoggedCalls([after_a_restart, OWN]).of(END) == [OWN]


def test_rows_of_a_joined_call_belong_to_the_whole() -> None:
    joined = row("117>204 5-8 @6", number=11, main=10, arrived=5)
    end = final(links="117 none 2-8", ended=20, numbers=(10, 11))
    rows = [row("10007>117 0-8 @2"), joined]
    assert LoggedCalls(rows).of(end) == rows


def test_rows_of_a_joined_call_are_found_also_where_the_log_does_not_join_them() -> None:
    joined = row("10007>204 8-20 @8", number=11, arrived=5)
    reused_later = row("10007>117 900-910", number=11, arrived=900)
    end = final(links="117 none 2-8, 204 attended 8-20", ended=20, numbers=(10, 11))
    rows = [row("10007>117 0-8 @2"), joined]
    assert LoggedCalls([*rows, reused_later]).of(end) == rows


def test_a_call_that_was_first_seen_long_after_it_arrived_is_found() -> None:
    end = final(stays="extension 202 40-50", arrived=40, ended=50)
    rows = [row("10007>800 0-40 @0"), row("10007>202 40-50")]
    assert LoggedCalls(rows).of(end) == rows


def test_a_call_that_is_not_in_the_log_has_no_rows() -> None:
    assert LoggedCalls([row("10007>202 600-610", arrived=600)]).of(END) == []
    assert LoggedCalls([]).of(END) == []


def test_a_row_that_came_twice_counts_once() -> None:
    assert list(LoggedCalls([OWN, OWN])) == [[OWN]]


def test_the_rows_of_a_long_call_are_not_looked_for_in_all_of_its_time() -> None:
    since, until = period_of(final(stays="extension 202 0-9000 @4", links="202 none 4-9000", ended=9000))
    assert since <= at(0) - timedelta(seconds=10)
    assert at(600) <= until < at(700)


def test_the_rows_of_a_late_transfer_are_looked_for() -> None:
    end = final(stays="extension 202 0-7200 @4, extension 204 7190-9000 @7200", ended=9000)
    assert period_of(end)[1] > at(7200)


def test_times_that_are_near_each_other_are_one() -> None:
    times = [(at(100), at(110)), (at(0), at(10)), (at(30), at(40)), (at(5), at(20))]
    assert merged(times, apart=timedelta(seconds=30)) == [(at(0), at(40)), (at(100), at(110))]
