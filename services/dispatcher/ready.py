"""The heads of one endpoint that are loaded and due, in three queues: what is new, live calls, and the backlog. Pure.

Bounded; whatever does not fit stays in the table.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.dispatcher.deliveries import Head
    from switchhook.events import Event

LIMIT = 256  # turns in each queue


class Rank(IntEnum):
    """Where a head came from.

    `LIVE` and `BACKLOG` were read from the table; a `PROBE` is the one attempt that finds out if an endpoint recovered.
    """

    FRESH = 0
    LIVE = 1
    BACKLOG = 2
    PROBE = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """A head whose turn it is; `event` is there when it need not be read from the payload."""

    head: Head
    event: Event | None = None
    rank: Rank = Rank.FRESH


class Ready:
    """One endpoint's."""

    def __init__(self) -> None:
        self._fresh: deque[Turn] = deque()
        self._live: deque[Turn] = deque()
        self._backlog: deque[Turn] = deque()
        self._is_freshs_turn = True

    def __len__(self) -> int:
        return len(self._fresh) + len(self._live) + len(self._backlog)

    @property
    def waiting(self) -> int:
        """How many are not fresh."""
        return len(self._live) + len(self._backlog)

    def add(self, turn: Turn, *, first: bool = False) -> bool:
        """Queue the turn by its rank, `first` before its equals; False when there is no room."""
        queue = self._queue(turn.rank)
        if len(queue) >= LIMIT:
            return False
        if first:
            queue.appendleft(turn)
        else:
            queue.append(turn)
        return True

    def take_fresh(self) -> Turn | None:
        """The oldest of what is new."""
        return self._fresh.popleft() if self._fresh else None

    def take_waiting(self) -> Turn | None:
        """One of a live call, else of the backlog."""
        queue = self._live or self._backlog
        return queue.popleft() if queue else None

    def take(self) -> Turn | None:
        """Something new and something that waited, by turns."""
        self._is_freshs_turn = not self._is_freshs_turn
        if self._is_freshs_turn:
            return self.take_fresh() or self.take_waiting()
        return self.take_waiting() or self.take_fresh()

    def clear(self) -> list[Turn]:
        """Let go of everything; what it was."""
        turns = [*self._fresh, *self._live, *self._backlog]
        for queue in (self._fresh, self._live, self._backlog):
            queue.clear()
        return turns

    def _queue(self, rank: Rank) -> deque[Turn]:
        if rank is Rank.FRESH:
            return self._fresh
        return self._live if rank is Rank.LIVE else self._backlog
