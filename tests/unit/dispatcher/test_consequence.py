"""What follows for a delivery from its attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.arrivals import CallKey
from services.dispatcher.consequence import Consequence, consequence, deserves_second_try, is_too_late
from services.dispatcher.deliveries import Head, Status
from services.dispatcher.outcome import Delivered, Failure, Paused, Reason, Rejected, Response, Retry
from switchhook.events import EventId

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
SCHEDULE = (timedelta(seconds=5), timedelta(minutes=5))
SECOND = timedelta(seconds=1)


def a_head(*, attempts: int = 0, earlier: int = 0, deadline: timedelta | None = None) -> Head:
    return Head(
        event=1,
        call=CallKey("main/260307120000_1"),
        sequence=1,
        attempts=attempts,
        event_id=EventId("main-260307120000_1-1"),
        payload=b"",
        earlier_attempts=earlier,
        deadline_at=None if deadline is None else NOON + deadline,
    )


def after(outcome: Delivered | Retry | Rejected | Paused, head: Head, *, made: int = 1) -> Consequence:
    return consequence(outcome, head, schedule=SCHEDULE, made=made, now=NOON, jitter=0)


def test_what_is_taken_is_delivered_and_what_is_refused_is_dead() -> None:
    assert after(Delivered(), a_head()).status is Status.DELIVERED
    assert after(Delivered(disables=True), a_head()).pause is Reason.DISABLED
    dead = after(Rejected(reason=Reason.ABORTED), a_head())
    assert (dead.status, dead.reason) == (Status.DEAD, Reason.ABORTED)


@pytest.mark.parametrize(("attempts", "delay"), [(0, SCHEDULE[0]), (1, SCHEDULE[1]), (2, None)])
def test_a_retry_follows_the_schedule_to_its_end(attempts: int, delay: timedelta | None) -> None:
    follows = after(Retry(reason=Reason.TIMEOUT), a_head(attempts=attempts))

    assert follows.due_at == (None if delay is None else NOON + delay)
    assert follows.status is (Status.DEAD if delay is None else Status.PENDING)


def test_a_second_try_at_once_and_attempts_before_a_replay_do_not_count() -> None:
    retry = Retry(reason=Reason.CONNECT)

    twice = after(retry, a_head(), made=2)
    assert (twice.due_at, twice.earlier_attempts) == (NOON + SCHEDULE[0], 1)
    assert after(retry, a_head(attempts=2, earlier=1)).due_at == NOON + SCHEDULE[1]
    assert after(retry, a_head(attempts=9, earlier=9)).due_at == NOON + SCHEDULE[0]


def test_an_attempt_that_pauses_the_endpoint_is_not_counted_and_its_delivery_waits() -> None:
    follows = after(Paused(reason=Reason.GONE), a_head(attempts=2))

    assert (follows.status, follows.due_at, follows.earlier_attempts) == (Status.PENDING, NOON, 1)
    assert follows.pause is Reason.GONE


def test_a_delivery_for_which_no_attempt_fits_in_before_its_deadline_expires() -> None:
    retry = Retry(reason=Reason.TIMEOUT)

    assert after(retry, a_head(deadline=6 * SECOND)).status is Status.PENDING
    late = after(retry, a_head(deadline=5 * SECOND))
    assert (late.status, late.reason, late.due_at) == (Status.EXPIRED, Reason.DEADLINE, None)


def test_a_deadline_is_a_moment_and_may_be_missing() -> None:
    assert not is_too_late(a_head(), now=NOON + timedelta(days=9))
    assert not is_too_late(a_head(deadline=SECOND), now=NOON)
    assert is_too_late(a_head(deadline=SECOND), now=NOON + SECOND)


def test_a_second_try_at_once_is_for_quick_failures_of_a_first_connection() -> None:
    refused, quick = Failure(reason=Reason.CONNECT), timedelta(milliseconds=3)

    assert deserves_second_try(refused, a_head(), made=1, took=quick)
    assert deserves_second_try(refused, a_head(attempts=4, earlier=4), made=1, took=quick), "after a replay"
    assert not deserves_second_try(refused, a_head(), made=2, took=quick)
    assert not deserves_second_try(refused, a_head(), made=1, took=SECOND)
    assert not deserves_second_try(refused, a_head(attempts=1), made=1, took=quick)
    assert not deserves_second_try(refused, a_head(attempts=2, earlier=1), made=1, took=quick)
    assert not deserves_second_try(Failure(reason=Reason.TIMEOUT), a_head(), made=1, took=quick)
    assert not deserves_second_try(Response(status=500), a_head(), made=1, took=quick)


@given(failures=st.integers(min_value=1, max_value=12), quick=st.booleans(), earlier=st.integers(0, 5))
def test_a_delivery_that_always_fails_ends_after_the_schedule_and_one_second_try(
    failures: int, quick: bool, earlier: int
) -> None:
    head, turns = a_head(attempts=earlier, earlier=earlier), 0
    for _ in range(failures):
        result = Failure(reason=Reason.CONNECT)
        made = 2 if deserves_second_try(result, head, made=1, took=SECOND / 2 if quick else SECOND) else 1
        assert made == (2 if quick and turns == 0 else 1)
        turns += 1
        follows = after(Retry(reason=Reason.CONNECT), head, made=made)
        if follows.status is Status.DEAD:
            assert turns == len(SCHEDULE) + 1
            return
        head = a_head(attempts=head.attempts + made, earlier=follows.earlier_attempts)
    assert turns <= len(SCHEDULE)
