"""A queue whose items may be put aside for a while: each comes out when its time has come, the earliest first."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


class DueQueue(Generic[Item]):
    """Bounded by its users: it holds what they already keep elsewhere."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._order = count()
        self._stirred = asyncio.Event()

    def put(self, item: Item, *, delay: float = 0.0) -> None:
        """Let the item come out after `delay` seconds."""
        due = asyncio.get_running_loop().time() + delay
        heapq.heappush(self._heap, (due, next(self._order), item))
        self._stirred.set()

    async def get(self) -> Item:
        """The next item that is due."""
        while True:
            left = self._heap[0][0] - asyncio.get_running_loop().time() if self._heap else None
            if left is not None and left <= 0:
                return heapq.heappop(self._heap)[2]
            self._stirred.clear()
            try:
                async with asyncio.timeout(left):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    def __len__(self) -> int:
        return len(self._heap)
