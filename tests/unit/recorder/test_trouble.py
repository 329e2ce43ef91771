"""How long something that failed is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.recorder.trouble import Trouble
from switchhook.runtime.health import ServiceHealth

NOW = datetime(2026, 5, 14, tzinfo=UTC)


class Wall:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_it_is_asked_again_ever_later_and_never_before_it_said() -> None:
    clock = Wall()
    trouble = Trouble("pbx", health=ServiceHealth(), clock=clock)
    assert not trouble.is_resting
    pauses = []
    for _ in range(9):
        trouble.failed("it does not answer")
        trouble.failed("nor does it answer somebody else")
        pauses.append(trouble.rest.total_seconds())
        clock.now += trouble.rest
        assert not trouble.is_resting
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    trouble.failed("too many requests", retry_after=timedelta(minutes=2))
    assert trouble.rest == timedelta(minutes=2)
    trouble.succeeded()
    assert not trouble.is_resting


def test_a_clock_that_is_set_back_does_not_make_it_wait_for_what_was_set() -> None:
    clock = Wall()
    trouble = Trouble("pbx", health=ServiceHealth(), clock=clock)
    trouble.failed("it does not answer")
    clock.now -= timedelta(days=1)
    assert trouble.rest < timedelta(minutes=1)
    trouble.failed("it still does not answer")
    assert timedelta() < trouble.rest < timedelta(minutes=1)
