"""Pages: which due heads of an endpoint are read next, and in which order.

Usually the longest due first. After an endpoint has recovered: first what nobody answered is due again, then the heads
of live calls go, the newest call first, and then the backlog as usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.ready import Rank, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from datetime import datetime

    from services.dispatcher.claims import Claims
    from services.dispatcher.deliveries import Deliveries, Head

BEYOND_ALL = 2**62  # a number that no event has
RECALLED_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`is_more`: there may be more that is due. `due_at`: when the next head falls due."""

    turns: tuple[Turn, ...] = ()
    is_more: bool = False
    due_at: datetime | None = None


class Pages:
    """One endpoint's. Everything raises `StorageError`."""

    def __init__(self, endpoint: str, deliveries: Deliveries, claims: Claims) -> None:
        self._endpoint = endpoint
        self._deliveries = deliveries
        self._claims = claims
        self._recovered_at: datetime | None = None
        self._live_before: int | None = None

    def recovered(self, now: datetime) -> None:
        """The endpoint answers again."""
        self._recovered_at = now
        self._live_before = BEYOND_ALL

    async def read(self, *, now: datetime, limit: int, taken: Set[int]) -> Page:
        """The next page; it may hold heads that are `taken`, and `limit` others."""
        if self._recovered_at is not None:
            await self._recall(now)
        if self._live_before is not None:
            heads, self._live_before = await self._deliveries.live_heads(
                self._endpoint, now=now, before=self._live_before, limit=limit, owner=self._claims.owner
            )
            return Page(turns=await self._claimed(heads, Rank.LIVE, limit), is_more=True)
        most = limit + len(taken)  # as of now: what is taken while the page is read says nothing about what it lacks
        heads = await self._deliveries.due_heads(self._endpoint, now=now, limit=most, owner=self._claims.owner)
        return Page(
            turns=await self._claimed(heads, Rank.BACKLOG, limit),
            is_more=len(heads) >= most or self._claims.leaves_some(heads, limit),
            due_at=await self._deliveries.next_due_at(self._endpoint, after=now),
        )

    async def probe(self, *, now: datetime, limit: int, taken: Set[int]) -> Page:
        """The head to probe with: that of the newest live call that has one, else the one that is longest due."""
        before: int | None = BEYOND_ALL
        while before is not None:
            heads, before = await self._deliveries.live_heads(
                self._endpoint, now=now, before=before, limit=limit, owner=self._claims.owner
            )
            if free := [head for head in heads if head.event not in taken]:
                return Page(turns=await self._claimed(free[:1], Rank.PROBE, 1))
        heads = await self._deliveries.due_heads(
            self._endpoint, now=now, limit=1 + len(taken), owner=self._claims.owner
        )
        free = [head for head in heads if head.event not in taken]
        return Page(
            turns=await self._claimed(free[:1], Rank.PROBE, 1),
            due_at=await self._deliveries.next_due_at(self._endpoint, after=now),
        )

    async def _claimed(self, heads: Sequence[Head], rank: Rank, limit: int) -> tuple[Turn, ...]:
        claimed = await self._claims.claim(self._endpoint, heads, limit=limit)
        return tuple(Turn(head, rank=rank) for head in claimed)

    async def _recall(self, now: datetime) -> None:
        while await self._deliveries.recall(self._endpoint, now=now, limit=RECALLED_AT_ONCE) == RECALLED_AT_ONCE:
            pass
        self._recovered_at = None
