"""The calls of one PBX that are over, as far back as they are remembered: what the call log has of them is old news.

A call is known by its runtime number and the time in which it lived, for numbers begin again when the PBX restarts.
Bounded: the oldest are forgotten first, and how far back the memory reaches is known.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.monitor.calls.history import CLOCKS_APART, CallKey

if TYPE_CHECKING:
    from datetime import datetime

PAST_CALLS = 100_000
"""Remembered at most; enough for nine calls a second over three hours."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that is over, under one of its numbers."""

    key: CallKey
    ended_at: datetime

    def is_same(self, key: CallKey, ended_at: datetime | None) -> bool:
        """True for the log's call that arrived at the same time, or was under way about then and ended at `ended_at`.

        One that was found under way after a gap had arrived before it was seen; a frame may be read late.
        """
        if key.is_same(self.key.number, self.key.arrived_at):
            return True
        if key.number != self.key.number or ended_at is None:
            return False
        return key.arrived_at <= self.key.arrived_at <= ended_at + CLOCKS_APART


class PastCalls:
    """Remembers at most `capacity` calls, in the order in which they were over."""

    def __init__(self, *, capacity: int = PAST_CALLS) -> None:
        self._capacity = capacity
        self._calls: deque[PastCall] = deque()
        self._by_number: dict[int, list[PastCall]] = {}
        self.forgotten_until: datetime | None = None
        """When the last call arrived that was forgotten for want of room; None while none was."""

    def remember(self, call: PastCall) -> None:
        """The call is over."""
        self._calls.append(call)
        self._by_number.setdefault(call.key.number, []).append(call)
        if len(self._calls) > self._capacity:
            gone = self._drop_oldest()
            self.forgotten_until = max(self.forgotten_until or gone.key.arrived_at, gone.key.arrived_at)

    def forget(self, ended_before: datetime) -> None:
        """Drops what was over by then, and will not be asked for any more."""
        while self._calls and self._calls[0].ended_at < ended_before:
            self._drop_oldest()

    def knows(self, key: CallKey, ended_at: datetime | None = None) -> bool:
        """True when this call, which by the log ended at `ended_at`, is known to be over."""
        return any(one.is_same(key, ended_at) for one in self._by_number.get(key.number, ()))

    def living(self, number: int, *, since: datetime, until: datetime) -> list[PastCall]:
        """The calls of that number which lived in this time, as far as two clocks agree about it.

        One that was first seen late, or last seen early, is found nevertheless.
        """
        return [
            one
            for one in self._by_number.get(number, ())
            if one.key.arrived_at <= until + CLOCKS_APART and one.ended_at >= since - CLOCKS_APART
        ]

    def outlived(self, number: int, at: datetime) -> bool:
        """True when a call of that number was under way at this moment, and ended later."""
        calls = self._by_number.get(number, ())
        return any(one.key.arrived_at - CLOCKS_APART <= at < one.ended_at for one in calls)

    def within(self, since: datetime, until: datetime) -> list[PastCall]:
        """The calls that arrived and ended in this time."""
        return [one for one in self._calls if one.key.arrived_at >= since and one.ended_at <= until]

    def _drop_oldest(self) -> PastCall:
        gone = self._calls.popleft()
        same = self._by_number[gone.key.number]
        same.remove(gone)
        if not same:
            del self._by_number[gone.key.number]
        return gone
