"""Expiry: ends deliveries whose deadline has passed, wherever they wait: parked, postponed, or behind another.

A delivery that is being attempted is left alone; its lane sees the deadline when the attempt has failed.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.arrivals import call_facts
from services.dispatcher.deliveries import Status
from services.dispatcher.outcome import Reason
from services.dispatcher.ready import Turn
from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.dispatcher.arrivals import CallKey
    from services.dispatcher.claims import Claims
    from services.dispatcher.lanes import Lanes
    from services.dispatcher.metrics import DispatcherMetrics
    from services.dispatcher.overdue import Expired, Late, Overdue
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_INTERVAL = timedelta(seconds=1)
BATCH = 40
PAUSE = timedelta(milliseconds=75)  # between batches: deliveries under way come first


class Expiry:
    """Run `run` in a task."""

    def __init__(
        self,
        overdue: Overdue,
        *,
        claims: Claims,
        lanes_by_endpoint: Mapping[str, Lanes],
        doubt: Callable[[str, CallKey], None],
        metrics: DispatcherMetrics,
        clock: Clock,
    ) -> None:
        """`doubt` is told of lanes that got no new head (see `lane_repair`)."""
        self._overdue = overdue
        self._claims = claims
        self._lanes_by_endpoint = lanes_by_endpoint
        self._doubt = doubt
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.warning("deliveries.not_expired", extra={"error": str(error)})
            await asyncio.sleep(LOOK_INTERVAL.total_seconds())

    async def look(self) -> None:
        """Expire everything that is overdue and not under way. Raises `StorageError`."""
        for expire in (self._expire_waiting, self._expire_heads):
            is_more = True
            while is_more:
                is_more = await expire() == BATCH
                await asyncio.sleep(PAUSE.total_seconds() if is_more else 0)

    async def _expire_waiting(self) -> int:
        return self._count(await self._overdue.expire_waiting(now=self._clock(), limit=BATCH))

    async def _expire_heads(self) -> int:
        now, owner = self._clock(), self._claims.owner
        reserved: list[Late] = []
        try:
            limit = BATCH + sum(lanes.under_way for lanes in self._lanes_by_endpoint.values())
            for late in await self._overdue.heads(now=now, limit=limit, owner=owner):
                lanes = self._lanes_by_endpoint.get(late.endpoint)
                if len(reserved) < BATCH and lanes is not None and lanes.reserve(late.event):
                    reserved.append(late)
            expired = await asyncio.shield(self._overdue.expire_heads(reserved, now=now, owner=owner))
        finally:
            for late in reserved:
                self._lanes_by_endpoint[late.endpoint].leave(late.event)
        for each in expired:
            if each.next_head is None:
                self._doubt(each.late.endpoint, each.late.call)
            else:
                self._lanes_by_endpoint[each.late.endpoint].offer(Turn(each.next_head))
        return self._count(expired)

    def _count(self, expired: Sequence[Expired]) -> int:
        for each in expired:
            late = each.late
            if late.endpoint in self._metrics.by_endpoint:
                self._metrics.of(late.endpoint).settled(Status.EXPIRED)
            facts = {
                "endpoint": late.endpoint,
                "event_id": late.event_id,
                **call_facts(late.call),
                "reason": Reason.DEADLINE.value,
            }
            log.info("delivery.expired", extra=facts)
        return len(expired)
