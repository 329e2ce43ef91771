"""One sink's side of an outbox: its cursor, and what was handed out to be sent and is not acknowledged.

Whoever is idle in `changed` is also the one who writes the cursor when it is due, so no task is needed for that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

_FLUSH_EVERY = 0.2  # seconds between two writings of the cursors
# Seconds. Whoever appends may be cancelled between the commit and `notify`; so an idle waiter looks for itself.
_LOOK_EVERY = 5.0


class _Outbox(Protocol):
    async def load(self) -> None: ...
    async def rows_after(self, position: int, limit: int) -> list[tuple[int, bytes, int]]: ...
    async def flush(self) -> None: ...
    @property
    def since_flush(self) -> float: ...


if TYPE_CHECKING:
    from collections.abc import Sequence


class SinkBacklog:
    """Made by `Outbox`."""

    def __init__(self, outbox: _Outbox, sink: str) -> None:
        self.sink = sink
        self.acknowledged = 0
        self._outbox = outbox
        self._grew = True
        self._read_to = -1  # a position behind which there was nothing at the last reading
        self._cursor_moved = False
        self._stirred = asyncio.Event()
        self._handed_out: deque[tuple[int, float]] = deque()  # position, seconds since 1970; bounded by who sends
        self._waiting = 0
        self._waiting_since = 0.0

    async def pending(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` (position, payload) after the position, in order. An `after` further back repeats."""
        await self._outbox.load()
        after = max(after, self.acknowledged)
        if not self._grew and after == self._read_to:
            return []
        self._grew = False
        rows = await self._outbox.rows_after(after, limit)
        is_all = len(rows) < limit
        if is_all:
            self._read_to = rows[-1][0] if rows else after
        self._hand_out(after, rows, is_all=is_all)
        return [(position, payload) for position, payload, _ in rows]

    async def acknowledge(self, position: int) -> None:
        """The sink has everything up to and including the position."""
        if position <= self.acknowledged:
            return
        self.acknowledged = position
        while self._handed_out and self._handed_out[0][0] <= position:
            _, self._waiting_since = self._handed_out.popleft()
        if self._outbox.since_flush >= _FLUSH_EVERY:
            await self._outbox.flush()
        else:
            self._cursor_moved = True
            self._stirred.set()

    async def changed(self) -> None:
        """Wait until something was appended since the last `pending`; or for a while, to look again."""
        while not self._grew:
            self._stirred.clear()
            flush_due = self._cursor_moved
            try:
                async with asyncio.timeout(
                    max(0.0, _FLUSH_EVERY - self._outbox.since_flush) if flush_due else _LOOK_EVERY
                ):
                    await self._stirred.wait()
            except TimeoutError:
                if flush_due:
                    self._cursor_moved = False
                    await self._outbox.flush()
                else:
                    self._grew = True

    @property
    def depth(self) -> int:
        """Events that are not acknowledged."""
        return len(self._handed_out) + self._waiting

    def oldest_age(self, now: float) -> timedelta:
        """Of the events that are not acknowledged; `now` in seconds since 1970."""
        if self._handed_out:
            return timedelta(seconds=max(0.0, now - self._handed_out[0][1]))
        return timedelta(seconds=max(0.0, now - self._waiting_since)) if self._waiting else timedelta()

    def restore(self, acknowledged: int, depth: int, oldest: float) -> None:
        """What the table says at start; `oldest` in seconds since 1970."""
        self.acknowledged = acknowledged
        self._waiting, self._waiting_since = depth, oldest

    def grew(self, events: int, since: float) -> None:
        """Events were committed; `since` when the oldest of them was appended, in seconds since 1970."""
        self._waiting_since = min(self._waiting_since, since) if self._waiting else since
        self._waiting += events
        self._grew = True
        self._stirred.set()

    def _hand_out(self, after: int, rows: Sequence[tuple[int, bytes, int]], *, is_all: bool) -> None:
        while self._handed_out and self._handed_out[-1][0] > after:
            self._handed_out.pop()
            self._waiting += 1
        self._handed_out.extend((position, appended_at / 1000) for position, _, appended_at in rows)
        # Whatever was counted wrongly (an append that was refused, an event that was there already) is put right here.
        self._waiting = 0 if is_all and not self._grew else max(0, self._waiting - len(rows))
