"""When an endpoint counts as down, and as up again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.dispatcher.availability import UNREACHABLE, Availability
from services.dispatcher.outcome import Reason

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("reason", sorted(UNREACHABLE))
def test_no_answer_is_an_outage_at_once_and_said_once(reason: Reason) -> None:
    availability = Availability()

    assert [availability.failed(reason, now=NOON) for _ in range(3)] == [True, False, False]


def test_refusals_are_an_outage_only_several_in_a_row() -> None:
    availability = Availability()

    assert [availability.failed(Reason.SERVER_ERROR, now=NOON) for _ in range(4)] == [False, False, True, False]


def test_a_delivery_in_between_ends_the_row() -> None:
    availability = Availability()
    for _ in range(3):
        assert not availability.failed(Reason.CLIENT_ERROR, now=NOON)
        assert availability.succeeded(now=NOON) is None


def test_the_end_of_an_outage_tells_its_length() -> None:
    availability = Availability()
    availability.failed(Reason.CONNECT, now=NOON)

    assert availability.succeeded(now=NOON + timedelta(minutes=3)) == timedelta(minutes=3)
    assert availability.succeeded(now=NOON + timedelta(minutes=4)) is None
