"""The one loop that reads a PBX's list of recordings: often while young calls wait, rarely for old ones or for none.

Of several recorders one does it for a PBX at a time: what it keeps is refused (`LeaseLost`) when the PBX is another
one's by now. It begins with the calls of which nothing was found yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.catalog import keeping_strays, moving_to
from switchhook.errors import LeaseLost, PbxError, PbxForbidden, PbxUnreachable, StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.fence import Fence
    from services.recorder.hunt import Found, Hunt
    from services.recorder.jobs import PendingCall
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.rows import RecordingRow
    from services.recorder.source import RecordingSource
    from services.recorder.trouble import Trouble
    from switchhook.runtime.clock import Clock
    from switchhook.storage import Statement

log = logging.getLogger(__name__)

_YOUNG = timedelta(seconds=60)
_SLOWEST = timedelta(seconds=15)
_IDLE = timedelta(seconds=60)
_SLOWING = 1.5
_FILED_AT_ONCE = 100
_RIGHT = "recordings can be read only with the role System Owner of a real department, not 'System Wide'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Where the finder's results go; both raise `StorageError`."""

    found: Callable[[Sequence[Found]], Awaitable[None]]
    unmatched: Callable[[RecordingRow, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinderTools:
    """What a finder works with; `trouble` is that of reading the PBX's list."""

    catalog: Catalog
    fence: Fence
    trouble: Trouble
    metrics: RecorderMetrics
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`interval` between looks for young calls; a row that nobody claims for `unmatched_after` has no call."""

    interval: timedelta
    unmatched_after: timedelta


class Finder:
    """Reads one PBX's list."""

    def __init__(
        self,
        pbx: str,
        source: RecordingSource,
        hunt: Hunt,
        *,
        tools: FinderTools,
        findings: Findings,
        pace: Pace,
    ) -> None:
        self._pbx = pbx
        self._source = source
        self._hunt = hunt
        self._catalog = tools.catalog
        self._fence = tools.fence
        self._trouble = tools.trouble
        self._metrics = tools.metrics
        self._clock = tools.clock
        self._findings = findings
        self._interval = pace.interval
        self._unmatched_after = pace.unmatched_after
        self._gap = pace.interval
        self._cursor: int | None = None
        self._is_restored = False
        self._unkept: list[Found] = []
        self._stirred = asyncio.Event()

    def add(self, call: PendingCall, *, sweep_at: datetime | None = None) -> None:
        """Look for the call's recordings; one from a former run, or from long ago, is swept for at once."""
        self._hunt.add(call, at=self._clock(), sweep_at=sweep_at)
        self._gap = self._interval
        self._stirred.set()

    def name(self, call_id: str, ids: Sequence[int]) -> None:
        """The PBX's call log says that these recordings are the call's."""
        self._hunt.name(call_id, ids, at=self._clock())
        self._stirred.set()

    def stir(self) -> None:
        """There may be something new: look soon."""
        self._stirred.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self._hunt.is_idle:
                await self._stirred_within(min(_IDLE, self._unmatched_after))
            await self._trouble.pause()
            try:
                await self._look()
            except PbxError as error:
                retry_after = error.retry_after if isinstance(error, PbxUnreachable) else None
                self._trouble.failed(explained(error), retry_after=retry_after)
            except LeaseLost:
                raise
            except (StorageError, OSError) as error:
                self._trouble.failed(f"the recorder's files cannot be read or written: {error}")
            except Exception as error:  # the boundary of the lane: what one PBX lists must not end all others' recorder
                log.exception("recordings.look_broke", extra={"pbx": self._pbx})
                self._trouble.failed(f"{self._pbx}: what it lists cannot be understood ({type(error).__name__})")
            else:
                self._trouble.succeeded()
            await self._rest()

    async def _look(self) -> None:
        looked_at = self._clock()
        self._metrics.polls.inc()
        if not self._is_restored:
            self._hunt.strays.restore(await self._catalog.strays(self._pbx))
            self._hunt.take(self._hunt.strays.rows, at=looked_at)  # calls may have come before them
            self._is_restored = True
        await self._sweep(looked_at)
        async for rows in self._source.listed_after(self._cursor or 0):
            self._hunt.take(rows, at=self._clock())
            await self._read_to(max(self._cursor or 0, *(row.place for row in rows)))
        await self._keep_strays()
        ahead = self._source.ahead()
        seen_at = looked_at - ahead.unseen_for
        self._unkept += [*self._hunt.complete(looked_at=seen_at, growing=ahead.growing), *self._hunt.overdue()]
        if self._unkept:
            await self._findings.found(self._unkept)
            self._unkept = []
        await self._give_up_strays()

    async def _sweep(self, at: datetime) -> None:
        """Look through the time of those who have waited for long; also notices a list that starts again."""
        if self._cursor is None:
            self._cursor = await self._catalog.cursor(self._pbx)
        windows = self._hunt.windows(at=at)
        if not windows and self._cursor is not None:
            return
        newest = await self._source.newest_mark()
        if self._cursor is None or newest < self._cursor:
            # The first look, or a PBX that was restored: what is older than this is found by its time.
            windows = windows or self._hunt.windows(at=None)
            await self._read_to(newest)
        for window in windows:
            async for rows in self._source.listed_within(window):
                self._hunt.take(rows, at=self._clock())
        self._hunt.swept(at=at)

    async def _read_to(self, mark: int) -> None:
        """Move the cursor, and keep what belongs to nobody yet: it will not be listed again."""
        await self._keep_strays(moving_to(self._pbx, mark))
        self._cursor = mark

    async def _keep_strays(self, *more: Statement) -> None:
        # Sweeps list what was told long ago too.
        for row in await self._catalog.taken(self._pbx, self._hunt.strays.unkept):
            self._hunt.strays.claim(row)
        seen, claimed = self._hunt.strays.changes()
        unit = [*keeping_strays(self._pbx, seen, claimed, at=self._clock()), *more]
        if unit:
            try:
                await self._catalog.write([*self._fence.of_pbx(self._pbx), *unit])
            except BaseException:
                self._hunt.strays.unchanged(seen, claimed)
                raise

    async def _give_up_strays(self) -> None:
        now = self._clock()
        for row in self._hunt.strays.unmatched(seen_before=now - self._unmatched_after)[:_FILED_AT_ONCE]:
            await self._findings.unmatched(row, now)
            self._hunt.strays.claim(row)

    async def _rest(self) -> None:
        """Until the next look: an interval for young calls, growing for old ones, cut short by a new call."""
        now, youngest = self._clock(), self._hunt.youngest()
        is_young = youngest is not None and now - youngest < _YOUNG
        slowest = max(_SLOWEST, self._interval)
        is_urgent = is_young or self._hunt.is_settling
        self._gap = self._interval if is_urgent else min(self._gap * _SLOWING, slowest)
        await asyncio.sleep(self._interval.total_seconds())
        if self._hunt.is_idle:
            return
        left = self._gap - self._interval
        sweep_at = self._hunt.next_sweep()
        if sweep_at is not None:
            left = min(left, sweep_at - self._clock())
        if left > timedelta():
            await self._stirred_within(left)

    async def _stirred_within(self, time: timedelta) -> None:
        self._stirred.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(time.total_seconds()):
                await self._stirred.wait()


def explained(error: PbxError) -> str:
    """The error's sentence, and the right that is missing when one is."""
    return f"{error}; {_RIGHT}" if isinstance(error, PbxForbidden) else str(error)
