"""Recent events: those that were accepted a moment ago and wait behind others, decoded, so that each is decoded once.

Bounded; what is forgotten is decoded again from its payload.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from switchhook.rpc.codec import decode

if TYPE_CHECKING:
    from services.dispatcher.deliveries import Head
    from switchhook.events import Event

LIMIT = 2 * 1024 * 1024  # bytes of payload; decoded, they take about seven times as much


class RecentEvents:
    """By their numbers."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._known_by_number: OrderedDict[int, tuple[Event, int]] = OrderedDict()

    def keep(self, number: int, event: Event, *, size: int) -> None:
        """Remember an event whose payload has this size; those that were kept longest ago may be forgotten for it."""
        if number in self._known_by_number:
            return
        self._known_by_number[number] = event, size
        self._size += size
        while self._size > self._limit:
            _, (_, forgotten) = self._known_by_number.popitem(last=False)
            self._size -= forgotten

    def of(self, head: Head) -> Event:
        """The event of a head. Raises `CodecError`."""
        known = self._known_by_number.get(head.event)
        return decode(head.payload) if known is None else known[0]
