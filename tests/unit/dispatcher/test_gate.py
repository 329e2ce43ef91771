"""What may pass to an endpoint, and what state that is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.dispatcher.breaker import BreakerChange, BreakerRules
from services.dispatcher.gate import EndpointState, Gate
from services.dispatcher.outcome import Reason

NOON = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
RULES = BreakerRules(least_attempts=2)


def failed_twice() -> Gate:
    gate = Gate(rules=RULES, now=NOON)
    for _ in range(2):
        gate.attempted(Reason.CONNECT, started_at=NOON, now=LATER)
    return gate


def summary(gate: Gate) -> tuple[EndpointState, Reason, bool]:
    return gate.state, gate.reason, gate.probe_at is not None


def test_the_breaker_makes_it_open_and_a_probe_makes_it_active_with_a_drain() -> None:
    gate = failed_twice()
    assert (gate.state, gate.reason, gate.since) == (EndpointState.OPEN, Reason.CONNECT, LATER)
    assert gate.probe_at == LATER + RULES.probe_interval
    gate.started(now=LATER, is_probe=True)
    change = gate.attempted(Reason.NONE, started_at=LATER, now=LATER, is_probe=True)

    assert change is BreakerChange.CLOSED
    assert summary(gate) == (EndpointState.ACTIVE, Reason.NONE, False)
    assert gate.drain is not None
    gate.drained()
    assert gate.drain is None


def test_a_pause_is_stronger_than_the_breaker_and_a_resumption_ends_both() -> None:
    gate = failed_twice()
    gate.pause(Reason.OPERATOR, since=LATER)
    assert summary(gate) == (EndpointState.PAUSED, Reason.OPERATOR, False)
    gate.resume(now=LATER)

    assert gate.state is EndpointState.ACTIVE
    assert gate.drain is not None


def test_the_drain_follows_the_attempts() -> None:
    gate = Gate(rules=BreakerRules(), now=NOON)
    gate.resume(now=NOON)
    assert gate.drain is not None
    first = gate.drain.rate
    gate.attempted(Reason.NONE, started_at=NOON, now=NOON)
    grown = gate.drain.rate
    gate.attempted(Reason.SERVER_ERROR, started_at=NOON, now=NOON)

    assert gate.drain.rate == grown / 2 < first < grown


def test_the_rate_limit_holds_back() -> None:
    gate = Gate(rate_limit=2, rules=RULES, now=NOON)
    gate.started(now=NOON)

    assert gate.wait(NOON) > timedelta(milliseconds=499)
    assert gate.wait(NOON + timedelta(seconds=1)) == timedelta(0)
    assert Gate(rules=RULES, now=NOON).wait(NOON) == timedelta(0)


def test_a_rate_limit_is_kept_together_with_others() -> None:
    gate = Gate(rate_limit=2, rules=RULES, now=NOON)
    gate.share(4, now=NOON)
    gate.started(now=NOON)
    assert gate.wait(NOON) > timedelta(milliseconds=1_999)
    gate.share(1, now=NOON)
    assert gate.wait(NOON) < timedelta(milliseconds=501)


def test_what_another_dispatcher_found_out_opens_and_closes_it() -> None:
    gate = Gate(rules=RULES, now=NOON)
    gate.open(Reason.TIMEOUT, since=NOON, probe_at=LATER)
    assert (gate.state, gate.reason, gate.since, gate.probe_at) == (EndpointState.OPEN, Reason.TIMEOUT, NOON, LATER)
    gate.postpone_probe(LATER + timedelta(seconds=1))
    assert gate.probe_at == LATER + timedelta(seconds=1)
    gate.close(now=LATER)

    assert summary(gate) == (EndpointState.ACTIVE, Reason.NONE, False)
    assert gate.drain is not None


def test_a_pause_is_stronger_than_what_another_dispatcher_found_out() -> None:
    gate = Gate(rules=RULES, now=NOON)
    gate.pause(Reason.OPERATOR, since=NOON)
    gate.open(Reason.TIMEOUT, since=LATER, probe_at=LATER)

    assert summary(gate) == (EndpointState.PAUSED, Reason.OPERATOR, False)
