"""The watches that run in this process, one for each PBX that is ours; each fails, and is begun again, by itself.

What goes wrong inside a watch (a fault of ours: a PBX that fails is the watch's own business) is logged, counted and
said; then the watch begins anew from what was kept, as after a restart. The other PBXs notice nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from switchhook.errors import LeaseLost, ServiceEnded, SwitchhookError, causes_of
from switchhook.runtime.backoff import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from services.monitor.metrics import MonitorMetrics
    from switchhook.runtime.health import ServiceHealth

log = logging.getLogger(__name__)

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)


class Watches:
    """Runs `watch(pbx, followed)` for each PBX that was begun; `followed` is called when the PBX is connected."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        watch: Callable[[str, Callable[[], None]], Coroutine[None, None, None]],
        *,
        metrics: MonitorMetrics,
        health: ServiceHealth,
    ) -> None:
        self._tasks = tasks
        self._watch = watch
        self._metrics = metrics
        self._health = health
        self._task_by_pbx: dict[str, asyncio.Task[None]] = {}

    @property
    def running(self) -> set[str]:
        """Which PBXs are watched, or will be again after a pause."""
        return {pbx for pbx, task in self._task_by_pbx.items() if not task.done()}

    def begin(self, pbx: str) -> None:
        """Watch a PBX until `end`."""
        self._task_by_pbx[pbx] = self._tasks.create_task(self._supervise(pbx), name=f"watch {pbx}")

    async def end(self, pbx: str) -> None:
        """Stop watching; when this returns nothing more is done for the PBX."""
        task = self._task_by_pbx.pop(pbx, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])  # no timeout: the longest part is the websocket's goodbye, which has one

    async def _supervise(self, pbx: str) -> None:
        clock = asyncio.get_running_loop().time
        attempt = 0
        self._metrics.owned.labels(pbx).set(1)
        try:
            while True:
                began_at = clock()
                error = await self._outcome(pbx)
                if any(isinstance(one, LeaseLost) for one in causes_of(error)):
                    log.warning("watch.lease_lost", extra={"pbx": pbx})
                    return
                self._failed(pbx, error)
                attempt = 1 if clock() - began_at > _LONGEST_PAUSE.total_seconds() else attempt + 1
                jitter = random.uniform(-0.2, 0.2)  # noqa: S311 - spreads what failed together
                pause = backoff(attempt, base=_FIRST_PAUSE, cap=_LONGEST_PAUSE, jitter=jitter)
                await asyncio.sleep(pause.total_seconds())
        finally:
            self._metrics.owned.labels(pbx).set(0)
            self._health.solved(_check(pbx))

    async def _outcome(self, pbx: str) -> BaseException:
        """How a watch ended, which it does not do by itself."""
        # A task of its own: one whose TaskGroup had a child that failed is half cancelled afterwards (Python 3.11).
        task = asyncio.create_task(self._watch(pbx, partial(self._followed, pbx)))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        return asyncio.CancelledError() if task.cancelled() else task.exception() or ServiceEnded("it ended by itself")

    def _followed(self, pbx: str) -> None:
        self._health.solved(_check(pbx))
        self._health.ready()

    def _failed(self, pbx: str, error: BaseException) -> None:
        causes = list(causes_of(error))
        faults = [one for one in causes if not isinstance(one, SwitchhookError)]
        reason = type(faults[0]).__name__ if faults else str(causes[0])
        log.error("watch.failed", extra={"pbx": pbx, "reason": reason}, exc_info=error if faults else None)
        if faults:
            self._metrics.failures.labels(pbx).inc()
        self._health.problem(_check(pbx), f"the watch failed and is begun again ({reason}): its log says more")


def _check(pbx: str) -> str:
    return f"pbx {pbx} watch"
