"""Whether an endpoint is up, judged by its attempts: says when that changes, so that a log line marks only the edge.

No answer at all takes an endpoint down at once; a refusal may be about one event, so it takes several in a row. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dispatcher.outcome import Reason

if TYPE_CHECKING:
    from datetime import datetime, timedelta

REFUSALS_IN_A_ROW = 3
UNREACHABLE = frozenset(
    {Reason.CONNECT, Reason.DNS, Reason.TLS, Reason.TIMEOUT, Reason.PROXY, Reason.FORBIDDEN_ADDRESS}
)


class Availability:
    """One endpoint's."""

    def __init__(self) -> None:
        self._refusals = 0
        self._down_since: datetime | None = None

    def failed(self, reason: Reason, *, now: datetime) -> bool:
        """Take note of a failed attempt; True when the endpoint has just gone down."""
        self._refusals += 1
        if self._down_since is not None:
            return False
        if reason not in UNREACHABLE and self._refusals < REFUSALS_IN_A_ROW:
            return False
        self._down_since = now
        return True

    def succeeded(self, *, now: datetime) -> timedelta | None:
        """Take note of a delivery; the length of the outage that it ended, if it ended one."""
        self._refusals = 0
        if self._down_since is None:
            return None
        outage, self._down_since = now - self._down_since, None
        return outage
