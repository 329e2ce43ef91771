"""The gate before one endpoint: whether an attempt may start at this moment, and if it may be one of the backlog. Pure.

Joins what may hold attempts back: the pause (by an operator or by the endpoint itself), the breaker, the rate limit,
and the drain, which holds back a backlog after an outage and nothing else. Shared by those who start attempts and
those who judge them.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from services.dispatcher.breaker import Breaker, BreakerChange, BreakerRules
from services.dispatcher.drain import Drain
from services.dispatcher.outcome import Reason
from services.dispatcher.token_bucket import TokenBucket

if TYPE_CHECKING:
    from datetime import datetime


class EndpointState(StrEnum):
    """`PAUSED` until an operator resumes it, `OPEN` (the breaker) until a probe succeeds."""

    ACTIVE = "active"
    PAUSED = "paused"
    OPEN = "open"


class Gate:
    """One endpoint's; `rate_limit` is attempts a second, None for any number."""

    def __init__(self, *, rate_limit: float | None = None, rules: BreakerRules, now: datetime) -> None:
        self._breaker = Breaker(rules)
        self._rate_limit = rate_limit
        self._limit = None if rate_limit is None else TokenBucket(rate_limit, now=now)
        self._paused_since: datetime | None = None
        self._reason = Reason.NONE
        self._active_since = now
        self._drain: Drain | None = None

    @property
    def state(self) -> EndpointState:
        """What the endpoint is in at the moment."""
        if self._paused_since is not None:
            return EndpointState.PAUSED
        return EndpointState.ACTIVE if self._breaker.opened_at is None else EndpointState.OPEN

    @property
    def reason(self) -> Reason:
        """Why it is not active, or `NONE`."""
        return Reason.NONE if self.state is EndpointState.ACTIVE else self._reason

    @property
    def since(self) -> datetime:
        """When its state began, as far as this process knows."""
        return self._paused_since or self._breaker.opened_at or self._active_since

    @property
    def drain(self) -> Drain | None:
        """The drain, while a backlog goes out after an outage."""
        return self._drain

    @property
    def probe_at(self) -> datetime | None:
        """From when on a probe may start; None unless the state is `OPEN`."""
        return self._breaker.probe_at if self.state is EndpointState.OPEN else None

    @property
    def outage(self) -> datetime | None:
        """When the breaker opened, also while the endpoint is paused; None while it is closed."""
        return self._breaker.opened_at

    @property
    def probe_interval(self) -> timedelta:
        """From one probe to the next."""
        return self._breaker.probe_interval

    def share(self, replicas: int, *, now: datetime) -> None:
        """Keep the rate limit together with so many dispatchers, this one among them."""
        if self._limit is None or self._rate_limit is None:
            return
        rate = self._rate_limit / replicas
        if rate != self._limit.rate:
            self._limit.change(rate, now=now)

    def wait(self, now: datetime) -> timedelta:
        """How long the rate limit holds back the next attempt."""
        return timedelta(0) if self._limit is None else self._limit.wait(now)

    def started(self, *, now: datetime, is_probe: bool = False) -> None:
        """An attempt starts."""
        if self._limit is not None:
            self._limit.take(now)
        if is_probe:
            self._breaker.probing(now=now)

    def attempted(
        self, reason: Reason, *, started_at: datetime, now: datetime, is_probe: bool = False
    ) -> BreakerChange | None:
        """Take note of an attempt that failed for this reason, or of a delivery (`NONE`)."""
        succeeded = reason is Reason.NONE
        change = self._breaker.attempted(succeeded=succeeded, now=now, is_probe=is_probe)
        match change:
            case BreakerChange.OPENED if self._paused_since is None:
                self._reason = reason
            case BreakerChange.OPENED:
                pass
            case BreakerChange.CLOSED:
                self._active_since, self._drain = now, Drain(now=now)
            case None if self._drain is not None and succeeded:
                self._drain.succeeded(now=now)
            case None if self._drain is not None:
                self._drain.failed(started_at=started_at, now=now)
            case None:
                pass
        return change

    def open(self, reason: Reason, *, since: datetime, probe_at: datetime) -> None:
        """Another dispatcher found out that the endpoint mostly fails."""
        self._breaker.open(since, probe_at=probe_at)
        if self._paused_since is None:
            self._reason = reason

    def postpone_probe(self, until: datetime) -> None:
        """Another dispatcher probes."""
        self._breaker.postpone_probe(until)

    def close(self, *, now: datetime) -> None:
        """Another dispatcher's probe arrived."""
        self._breaker.reset()
        self._active_since, self._drain = now, Drain(now=now)

    def drained(self) -> None:
        """There is no backlog any more."""
        self._drain = None

    def pause(self, reason: Reason, *, since: datetime) -> None:
        """Let nothing through."""
        self._paused_since, self._reason = since, reason

    def resume(self, *, now: datetime) -> None:
        """Let everything through again, the backlog slowly at first."""
        self._breaker.reset()
        self._paused_since = None
        self._active_since, self._drain = now, Drain(now=now)
