"""What an attempt came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dispatcher.outcome import (
    ADVICE_BY_REASON,
    Delivered,
    Failure,
    OutcomeKind,
    Paused,
    Reason,
    Rejected,
    Response,
    Retry,
    classify,
    kind_of,
    reason_of,
)

if TYPE_CHECKING:
    from services.dispatcher.outcome import Outcome


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert classify(Response(status=status)) == Delivered()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, Reason.REDIRECT),
        (302, Reason.REDIRECT),
        (304, Reason.REDIRECT),
        (308, Reason.REDIRECT),
        (400, Reason.CLIENT_ERROR),
        (401, Reason.AUTH),
        (403, Reason.AUTH),
        (404, Reason.CLIENT_ERROR),
        (407, Reason.AUTH),
        (422, Reason.CLIENT_ERROR),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
        (503, Reason.SERVER_ERROR),
        (599, Reason.SERVER_ERROR),
        (999, Reason.SERVER_ERROR),
    ],
)
def test_every_other_status_is_retried_with_its_reason(status: int, reason: Reason) -> None:
    outcome = classify(Response(status=status, retry_after="7"))

    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.retry_after) == (reason, "7")


@pytest.mark.parametrize(("status", "overloaded"), [(429, True), (502, True), (503, True), (504, True), (500, False)])
def test_an_overloaded_endpoint_is_told_from_a_broken_one(status: int, overloaded: bool) -> None:
    outcome = classify(Response(status=status))

    assert isinstance(outcome, Retry)
    assert outcome.overloaded is overloaded


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.CONNECT, Reason.DNS, Reason.TLS, Reason.DISCONNECTED])
def test_what_time_may_heal_is_retried(reason: Reason) -> None:
    assert classify(Failure(reason=reason)) == Retry(reason=reason)


@pytest.mark.parametrize("reason", [Reason.INVALID_URL, Reason.UNREADABLE])
def test_what_time_cannot_heal_is_rejected(reason: Reason) -> None:
    assert classify(Failure(reason=reason)) == Rejected(reason=reason)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (Response(status=410), Paused(reason=Reason.GONE)),
        (Response(status=410, webhook_delivery="abort-message"), Paused(reason=Reason.GONE)),
        (Response(status=500, webhook_delivery="disable"), Paused(reason=Reason.DISABLED)),
        (Response(status=404, webhook_delivery=" Disable "), Paused(reason=Reason.DISABLED)),
        (Response(status=204, webhook_delivery="disable"), Delivered(disables=True)),
        (Response(status=400, webhook_delivery="abort-message"), Rejected(reason=Reason.ABORTED)),
        (Response(status=204, webhook_delivery="abort-message"), Delivered()),
        (Response(status=400, webhook_delivery="something"), Retry(reason=Reason.CLIENT_ERROR)),
    ],
)
def test_an_endpoint_may_ask_for_a_pause_or_for_the_end_of_a_delivery(response: Response, outcome: Outcome) -> None:
    assert classify(response) == outcome


def test_every_outcome_has_a_name_and_a_reason() -> None:
    assert (kind_of(Delivered()), reason_of(Delivered())) == (OutcomeKind.DELIVERED, Reason.NONE)
    assert kind_of(Retry(reason=Reason.TIMEOUT)) is OutcomeKind.RETRY
    assert kind_of(Paused(reason=Reason.GONE)) is OutcomeKind.PAUSED
    assert reason_of(Rejected(reason=Reason.UNREADABLE)) is Reason.UNREADABLE
    assert kind_of(Rejected(reason=Reason.UNREADABLE)) is OutcomeKind.REJECTED


def test_every_reason_comes_with_advice() -> None:
    assert set(ADVICE_BY_REASON) == set(Reason) - {Reason.NONE}
