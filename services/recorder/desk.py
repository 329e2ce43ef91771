"""One PBX's recordings, from the end of a call to their outcomes: a finder, and a few workers that convert.

A PBX that cannot be reached or refuses us makes its jobs wait, all together, and no others. A recording that is bad is
tried three times; a file that is not there yet, for as long as a recording is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from services.recorder.conversion import Defective, convert
from services.recorder.due_queue import DueQueue
from services.recorder.finder import explained
from services.recorder.jobs import Absent, Failed, Ready, Reason
from switchhook.errors import PbxError, PbxUnreachable, StorageError
from switchhook.runtime.backoff import backoff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.conversion import Workshop
    from services.recorder.finder import Finder
    from services.recorder.hunt import Found
    from services.recorder.jobs import Outcome
    from services.recorder.matching import AwaitedLink
    from services.recorder.rows import RecordingRow
    from services.recorder.settlement import Settlement
    from services.recorder.source import RecordingSource
    from services.recorder.trouble import Trouble
    from switchhook.events import RecordingFile
    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3

_LONGEST_PAUSE = timedelta(seconds=30)


@dataclass(slots=True)
class _Job:
    """A link whose recordings are listed; `files` by place in `rows`, from 1."""

    link: AwaitedLink
    since: datetime
    rows: tuple[RecordingRow, ...] = ()
    attempts: int | None = None  # None: not read yet
    looks: int = 0  # for a file that was not there, or that the PBX did not give
    files: dict[int, RecordingFile] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited: for a recording, between tries at first, and how many conversions are under way."""

    wait_for_recording: timedelta
    first_pause: timedelta
    workers: int


class Desk:
    """See the module."""

    def __init__(
        self,
        source: RecordingSource,
        workshop: Workshop,
        settlement: Settlement,
        *,
        catalog: Catalog,
        trouble: Trouble,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._source = source
        self._workshop = workshop
        self._settlement = settlement
        self._catalog = catalog
        self._trouble = trouble
        self._patience = patience
        self._clock = clock
        self._queue: DueQueue[_Job] = DueQueue()

    def found(self, found: Sequence[Found]) -> None:
        """The recordings of these links are listed."""
        for each in found:
            self._queue.put(_Job(each.link, since=self._clock(), rows=each.rows))

    async def overdue(self, link: AwaitedLink) -> None:
        """No recording of the link came in time."""
        self._queue.put(_Job(link, since=self._clock(), outcome=Absent()))

    async def run(self, finder: Finder) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(finder.run())
            for _ in range(self._patience.workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            if job.outcome is None:
                await self._trouble.pause()
            try:
                delay = await self._advance(job)
            except PbxError as error:
                retry_after = error.retry_after if isinstance(error, PbxUnreachable) else None
                self._trouble.failed(explained(error), retry_after=retry_after)
                # One recording that we may not have must not keep the others waiting: it is asked for ever later.
                job.looks += 1
                delay = backoff(job.looks, base=self._patience.first_pause, cap=_LONGEST_PAUSE, jitter=0.0)
            except (StorageError, OSError) as error:
                self._trouble.failed(f"recordings cannot be stored: {error}: is the disk full?")
                delay = _LONGEST_PAUSE
            except Exception as error:  # the boundary of the lane: one job must not end them all
                log.exception("recording.broke", extra={"pbx": job.link.key.pbx}, exc_info=error)
                delay = await self._defective(job, Defective(Reason.INTERNAL, type(error).__name__))
            if delay is not None:
                self._queue.put(job, delay=delay.total_seconds())

    async def _advance(self, job: _Job) -> timedelta | None:
        """One step; gives the pause before the next one, None when the job is done."""
        if job.outcome is None:
            if job.attempts is None:
                job.attempts = await self._catalog.attempts(job.link.key)
            for index, row in enumerate(job.rows, start=1):
                if index not in job.files:
                    made = await convert(self._source, row, job.link, index=index, workshop=self._workshop)
                    self._trouble.succeeded()
                    if isinstance(made, Defective):
                        return await self._defective(job, made)
                    job.files[index] = made
            job.outcome = Ready(tuple(job.files[index] for index in sorted(job.files)))
        await self._settlement.settle(job.link, job.outcome)
        return None

    async def _defective(self, job: _Job, defective: Defective) -> timedelta:
        key = job.link.key
        self._workshop.metrics.defect(defective.reason)
        waited = self._clock() - job.since
        if defective.reason is Reason.FILE_NOT_FOUND:
            job.looks += 1
            is_hopeless, tries = waited >= self._patience.wait_for_recording, job.looks
        else:
            job.attempts = (job.attempts or 0) + 1
            with suppress(StorageError):  # costs one more try after a restart
                await self._catalog.count_attempt(key)
            is_hopeless, tries = job.attempts >= MAX_ATTEMPTS, job.attempts
        log.warning(
            "recording.defective",
            extra={
                "pbx": key.pbx,
                "call": f"{key.call_id}-{key.link}",
                "reason": defective.reason.value,
                "detail": defective.detail,
                "try": tries,
            },
        )
        if is_hopeless:
            job.outcome = Failed(defective.reason)
            return timedelta()
        pause = backoff(tries, base=self._patience.first_pause, cap=_LONGEST_PAUSE, jitter=0.0)
        return min(pause, max(self._patience.wait_for_recording - waited, self._patience.first_pause))
