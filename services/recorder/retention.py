"""Deletes MP3 files: those whose time is over, once a day; the oldest, when all take more than the quota.

What is interrupted goes on at the next purge: a file's row is marked only after the file is gone, and deleting twice
does no harm. A purge that was missed while nobody ran is made up for at the start. What is held stays. Of several
recorders one does it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from services.recorder.kept_files import KeptFile
from services.recorder.retention_policy import is_missed, next_purge
from switchhook.errors import LeaseLost, ObjectsError, StorageError
from switchhook.objects import Gone, GoneReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, time

    from services.recorder.catalog import Catalog
    from services.recorder.kept_files import KeptFiles
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.store import Store
    from services.recorder.trouble import Trouble
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

_BATCH = 200
_LOOK_EVERY = 60.0  # seconds between looks whether the quota is reached, or somebody set the clock
_LOOK_AGAIN = 5.0  # seconds, while another recorder does it


async def _alone() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`quota` in bytes, None: none. `remember_calls`: how long the rows of calls without files stay."""

    purge_at: time
    quota: int | None
    remember_calls: timedelta


class Retention:
    """The purges of one recorder."""

    def __init__(
        self,
        catalog: Catalog,
        kept: KeptFiles,
        store: Store,
        *,
        metrics: RecorderMetrics,
        limits: Limits,
        trouble: Trouble,
        clock: Clock,
        is_ours: Callable[[], Awaitable[bool]] = _alone,
    ) -> None:
        """`is_ours` tells whether it is this recorder that purges for all."""
        self._catalog = catalog
        self._kept = kept
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._trouble = trouble
        self._clock = clock
        self._is_ours = is_ours
        self._purging = asyncio.Lock()

    async def run(self) -> None:
        """Purge when it is due, until cancelled; at once when one was missed."""
        is_swept = False
        while True:
            await self._trouble.pause()
            try:
                if not is_swept:
                    await self._store.sweep_drafts()
                    is_swept = True
                if not await self._is_ours():
                    self._metrics.stored_bytes.set(0)
                    await asyncio.sleep(_LOOK_AGAIN)
                    continue
                if is_missed(await self._last(), self._local(self._clock()), self._limits.purge_at):
                    await self.purge()
                await self.enforce_quota()
                await self.clear_leftovers()
            except LeaseLost:
                raise
            except (StorageError, ObjectsError, OSError) as error:
                self._trouble.failed(f"recordings cannot be purged: {error}")
                continue
            self._trouble.succeeded()
            await asyncio.sleep(min(self._until_next(), _LOOK_EVERY))

    async def purge(self) -> int:
        """Delete what is over now; gives the number of files. Raises `StorageError`, `ObjectsError` or OSError."""
        async with self._purging:
            now, deleted = self._clock(), 0
            while expired := await self._kept.expired(now=now, limit=_BATCH):
                deleted += len(await self._delete(expired, reason=GoneReason.EXPIRED))
            while old := await self._kept.forgettable(now=now, limit=_BATCH):
                for file in old:
                    await self._store.delete(file.pbx, file.name)
                await self._kept.forget(old)
            await self._catalog.forget_calls(accepted_before=now - self._limits.remember_calls)
            await self._kept.purged(at=now)
            self._kept.recount()
            log.info("recordings.purged", extra={"files": deleted})
            return deleted

    async def enforce_quota(self) -> int:
        """Delete the oldest files until the rest is within the quota; gives their number.

        Where another recorder purges, nothing: two would delete twice as much.
        """
        if not await self._is_ours():
            return 0
        quota = self._limits.quota
        async with self._purging:  # the sum, too: what another one is deleting must not be deleted twice over
            total, deleted = await self._kept.total(), 0
            while quota is not None and total > quota and (oldest := await self._kept.oldest(limit=_BATCH)):
                chosen = await self._delete(_enough(oldest, excess=total - quota), reason=GoneReason.QUOTA)
                deleted += len(chosen)
                total -= sum(file.size for file in chosen)
        if quota is not None and (deleted or total > quota):
            log.warning("recordings.quota_reached", extra={"files": deleted, "bytes": total, "quota": quota})
        self._metrics.stored_bytes.set(total)
        return deleted

    async def purge_these(self, files: Sequence[KeptFile]) -> list[KeptFile]:
        """Delete files because an operator wants it; gives those that were."""
        deleted = list[KeptFile]()
        async with self._purging:
            for start in range(0, len(files), _BATCH):
                deleted += await self._delete(files[start : start + _BATCH], reason=GoneReason.PURGED)
        return deleted

    async def clear_leftovers(self) -> None:
        """Delete what was stored for a link that ended otherwise."""
        while leftovers := await self._kept.leftovers(limit=_BATCH):
            for pbx, name in leftovers:
                await self._store.delete(pbx, name)
                await self._kept.drop_leftover(pbx, name)
            log.info("recordings.leftovers_deleted", extra={"files": len(leftovers)})

    async def _delete(self, files: Sequence[KeptFile], *, reason: GoneReason) -> list[KeptFile]:
        now, deleted = self._clock(), list[KeptFile]()
        for file in files:
            # Since it was chosen, somebody may have held it, or deleted it.
            if await self._kept.is_free(file):
                await self._store.bury(file.pbx, file.name, Gone(at=now, reason=reason))
                deleted.append(file)
        if deleted:
            await self._kept.deleted(deleted, at=now, reason=reason)
            self._metrics.purged(reason, len(deleted))
        return deleted

    async def _last(self) -> datetime | None:
        last = await self._kept.last_purge()
        return None if last is None else self._local(last)

    def _until_next(self) -> float:
        now = self._clock()
        # Back through the local zone, so that the hour is right on the days when clocks are changed.
        due = next_purge(self._local(now), self._limits.purge_at).astimezone().astimezone(UTC)
        return max((due - now).total_seconds(), 1.0)

    @staticmethod
    def _local(moment: datetime) -> datetime:
        return moment.astimezone().replace(tzinfo=None)


def _enough(oldest: Sequence[KeptFile], *, excess: int) -> list[KeptFile]:
    """As many of them as are needed to get rid of `excess` bytes."""
    chosen: list[KeptFile] = []
    for file in oldest:
        if excess <= 0:
            break
        chosen.append(file)
        excess -= file.size
    return chosen
