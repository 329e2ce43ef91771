"""What comes after the end of a PBX's calls: each is completed, and that none was missed is proven."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from services.monitor.completions import Completions
from services.monitor.proof import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from services.monitor.calls.tracker import CallTracker, Changes
    from services.monitor.ledger import CallLedger, Kept
    from services.monitor.metrics import MonitorMetrics
    from services.monitor.polls import Polls
    from switchhook.events import Event
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)


class Aftermath:
    """That of one PBX; `run` works in tasks of its own."""

    def __init__(
        self,
        pbx: str,
        tracker: CallTracker,
        *,
        polls: Polls,
        ledger: CallLedger,
        metrics: MonitorMetrics,
        proof_interval: timedelta,
        told: Callable[[Sequence[Event]], None],
        clock: Clock,
    ) -> None:
        """`told` hears of the events of unreported calls once they are durable."""
        self._pbx = pbx
        self._metrics = metrics
        self._told = told
        self._is_followed = False
        self._completions = Completions(
            polls.call_log,
            ledger,
            plan=lambda: tracker.plan,
            is_followed=lambda: self._is_followed,
            told=metrics.published,
            clock=clock,
        )
        self._proof = Proof(
            tracker,
            polls.call_log,
            ledger,
            alive=polls.alive,
            interval=proof_interval,
            told=self._unreported,
            proven=lambda until: metrics.proven.labels(pbx).set(until.timestamp()),
            clock=clock,
        )

    def begin(self, kept: Kept) -> None:
        """Goes on from what was kept."""
        self._completions.owe(kept.completions)
        self._proof.begin(kept)

    def owe(self, finals: Sequence[Event]) -> None:
        """These calls are over, and that is durable."""
        self._completions.owe(finals)

    def follow(self, is_followed: bool) -> None:
        """The PBX is followed from now on, or not any more."""
        self._is_followed = is_followed
        self._completions.look()
        self._proof.follow(is_followed)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._completions.run())
            tasks.create_task(self._proof.run())

    def _unreported(self, changes: Changes) -> None:
        """A call that nobody saw was told from the call log."""
        self._told(changes.events)
        self._metrics.unreported.labels(self._pbx).inc()
        call = changes.events[-1].call
        facts = {"pbx": self._pbx, "call_id": call.id, "number": call.outside_number}
        log.warning("call.unreported", extra=facts | {"arrived_at": call.arrived_at.isoformat()})
