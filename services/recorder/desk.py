"""One PBX's recordings, from their rows to their outcomes: a few workers that convert, check and settle.

A PBX or a storage that fails makes its jobs wait, and no others; where there are several recorders, such a job is given
back, for another one may reach what this one cannot. A recording that is bad is tried three times; a file that is not
there yet, for as long as a recording is waited for. Nothing is told before it could be fetched by its link.
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
from services.recorder.jobs import NOTHING_TO_HEAR, Absent, Failed, Ready, Reason
from services.recorder.link_verdict import LinkVerdict
from switchhook.errors import LeaseLost, ObjectsError, PbxError, PbxUnreachable, StorageError
from switchhook.runtime.backoff import backoff
from switchhook.telemetry.traceparent import derived, is_sampled, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.recorder.conversion import Workshop
    from services.recorder.findings import Listed
    from services.recorder.jobs import Outcome
    from services.recorder.link_check import LinkCheck
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
_LINK_PATIENCE = 30  # times the first pause
_AT_ONCE = frozenset({Reason.TOO_SHORT, Reason.SILENT})  # of a whole file: another try would tell the same


@dataclass(slots=True)
class _Job:
    """A link whose recordings are listed; `files` by place in `rows`, None for what nothing can be heard of."""

    link: AwaitedLink
    since: datetime
    rows: tuple[RecordingRow, ...] = ()
    attempts: int = 0
    looks: int = 0  # for a file that was not there, or that the PBX did not give
    files: dict[int, RecordingFile | None] = field(default_factory=dict)
    nothing: Reason = Reason.HEADER_ONLY  # why the last one of them has nothing to hear
    failed: Reason | None = None  # why the last one of them that was given up was
    outcome: Outcome | None = None
    tries_of_link: int = 0
    link_since: datetime | None = None
    is_checked: bool = False
    is_put_off: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A link that a desk is done with; where it was given back, it is to be tried `again_in`, after so many `looks`."""

    link: AwaitedLink
    again_in: timedelta | None = None
    looks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited: for a recording, between tries at first, and how many conversions are under way.

    `gives_back`: what the PBX or the storage does not do here may be tried by others.
    """

    wait_for_recording: timedelta
    first_pause: timedelta
    workers: int
    gives_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """What can fail around a desk: the PBX's downloads, and what all desks store in."""

    pbx: Trouble
    storage: Trouble


class Desk:
    """See the module."""

    def __init__(
        self,
        source: RecordingSource,
        workshop: Workshop,
        settlement: Settlement,
        *,
        links: LinkCheck | None,
        troubles: Troubles,
        patience: Patience,
        left: Callable[[Left], None],
        clock: Clock,
    ) -> None:
        self._source = source
        self._workshop = workshop
        self._settlement = settlement
        self._links = links
        self._troubles = troubles
        self._patience = patience
        self._left = left
        self._clock = clock
        self._queue: DueQueue[_Job] = DueQueue()
        self._jobs = 0
        self._put_off = 0

    def take(self, link: AwaitedLink, listed: Listed) -> None:
        """Bring about the outcome of a link of which this was found."""
        job = _Job(link, since=listed.since, rows=listed.rows, attempts=listed.attempts, looks=listed.looks)
        if not listed.rows:
            job.outcome, job.is_checked = Absent(), True
        self._jobs += 1
        self._trace_finding(link, found_at=listed.since)
        self._queue.put(job)

    @property
    def room(self) -> int:
        """How many more links it can do with; what waits for its next try takes no room."""
        if self._troubles.pbx.is_resting or self._troubles.storage.is_resting:
            return 0
        return max(0, self._patience.workers + 1 - self.busy)

    @property
    def busy(self) -> int:
        """How many links are worked at, or could be at once."""
        return self._jobs - self._put_off

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._patience.workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            self._put_off -= job.is_put_off
            job.is_put_off = False
            if self._may_give_back(job) and (self._troubles.pbx.is_resting or self._troubles.storage.is_resting):
                self._leave(job, again_in=timedelta())
                continue
            if job.outcome is None and self._troubles.pbx.is_resting:
                self._again(job, self._troubles.pbx.rest)  # it takes no room that other PBXs could do with
                continue
            await self._troubles.storage.pause()
            await self._try(job)

    async def _try(self, job: _Job) -> None:
        try:
            delay = await self._advance(job)
        except LeaseLost:
            raise
        except PbxError as error:
            retry_after = error.retry_after if isinstance(error, PbxUnreachable) else None
            self._troubles.pbx.failed(explained(error), retry_after=retry_after)
            # One recording that we may not have must not keep the others waiting: it is asked for ever later.
            job.looks += 1
            self._put_back(job, backoff(job.looks, base=self._patience.first_pause, cap=_LONGEST_PAUSE, jitter=0.0))
        except (StorageError, ObjectsError, OSError) as error:
            self._troubles.storage.failed(f"recordings cannot be stored: {error}")
            self._put_back(job, timedelta())  # the trouble's own pause comes first
        except Exception as error:  # the boundary of the lane: one job must not end them all
            log.exception("recording.broke", extra={"pbx": job.link.key.pbx}, exc_info=error)
            pause = await self._defective(job, Defective(Reason.INTERNAL, type(error).__name__))
            self._again(job, max(pause, self._patience.first_pause))
        else:
            if delay is None:
                self._leave(job)
            else:
                self._again(job, delay)

    def _may_give_back(self, job: _Job) -> bool:
        """Not when there is an outcome already: it would be lost."""
        return self._patience.gives_back and job.outcome is None

    def _put_back(self, job: _Job, delay: timedelta) -> None:
        """What is outside fails: let another one try, if there may be one."""
        if self._may_give_back(job):
            self._leave(job, again_in=delay)
        else:
            self._again(job, delay)

    def _again(self, job: _Job, delay: timedelta) -> None:
        job.is_put_off = delay > timedelta()
        self._put_off += job.is_put_off
        self._queue.put(job, delay=delay.total_seconds())

    def _leave(self, job: _Job, *, again_in: timedelta | None = None) -> None:
        self._jobs -= 1
        self._left(Left(job.link, again_in, job.looks))

    async def _advance(self, job: _Job) -> timedelta | None:
        """One step; gives the pause before the next one, None when the job is done."""
        if job.outcome is None and (delay := await self._convert(job)) is not None:
            return delay
        if not job.is_checked and (delay := await self._check(job)) is not None:
            return delay
        if job.outcome is not None:
            await self._settlement.settle(job.link, job.outcome, job.rows)
            self._troubles.storage.succeeded()
        return None

    async def _convert(self, job: _Job) -> timedelta | None:
        """Make what is missing of the link's files, and its outcome; gives a pause when a file came to nothing."""
        for place, row in enumerate(job.rows):
            if place in job.files:
                continue
            index = 1 + sum(file is not None for file in job.files.values())
            made = await convert(self._source, row, job.link, index=index, workshop=self._workshop)
            self._troubles.pbx.succeeded()
            if isinstance(made, Defective) and made.reason in _AT_ONCE:
                self._workshop.metrics.defect(made.reason)
                self._leave_out(job, made)
            elif isinstance(made, Defective):
                return await self._defective(job, made)
            else:
                job.files[place] = made
        files = tuple(file for _, file in sorted(job.files.items()) if file is not None)
        # What is wrong with one of them does not take the others away.
        job.outcome = Ready(files) if files else Failed(job.failed) if job.failed else Absent(job.nothing)
        return None

    async def _check(self, job: _Job) -> timedelta | None:
        """Fetch the files through their links; gives a pause when something else came, as long as there is patience."""
        if isinstance(job.outcome, Ready) and self._links is not None:
            with self._workshop.tracing.span("recording.check", parent=job.link.traceparent) as span:
                verdict = await self._links.verdict(job.link.key.pbx, job.outcome.files, traceparent=span.traceparent)
            now = self._clock()
            job.link_since = job.link_since or now
            if verdict is LinkVerdict.WRONG and now - job.link_since < _LINK_PATIENCE * self._patience.first_pause:
                job.tries_of_link += 1
                return backoff(job.tries_of_link, base=self._patience.first_pause, cap=_LONGEST_PAUSE / 6, jitter=0.0)
        job.is_checked = True
        return None

    async def _defective(self, job: _Job, defective: Defective) -> timedelta:
        self._workshop.metrics.defect(defective.reason)
        waited = self._clock() - job.since
        if defective.reason is Reason.FILE_NOT_FOUND:
            job.looks += 1
            is_hopeless, tries = waited >= self._patience.wait_for_recording, job.looks
        else:
            job.attempts += 1
            with suppress(StorageError):  # costs one more try after a restart
                await self._settlement.count_attempt(job.link)
            is_hopeless, tries = job.attempts >= MAX_ATTEMPTS, job.attempts
        _say(job, defective, tries)
        if is_hopeless and len(job.files) < len(job.rows):
            self._leave_out(job, defective)
            return timedelta()
        if is_hopeless:
            job.outcome = Failed(defective.reason)  # what broke is not the conversion of any
            return timedelta()
        pause = backoff(tries, base=self._patience.first_pause, cap=_LONGEST_PAUSE, jitter=0.0)
        return min(pause, max(self._patience.wait_for_recording - waited, self._patience.first_pause))

    def _trace_finding(self, link: AwaitedLink, *, found_at: datetime) -> None:
        if link.owed_at is not None and is_sampled(link.traceparent):
            # Whoever takes the link again means the same finding.
            identity = derived(link.traceparent, f"find-{link.key.link}")
            self._workshop.tracing.record(
                "recording.find", identity, parent=link.traceparent, began=link.owed_at, ended=found_at
            )

    @staticmethod
    def _leave_out(job: _Job, defective: Defective) -> None:
        """The first file that is missing has nothing to hear, or is given up; the link's others are not."""
        job.files[next(place for place in range(len(job.rows)) if place not in job.files)] = None
        if defective.reason in NOTHING_TO_HEAR:
            job.nothing = defective.reason
        else:
            job.failed, job.attempts = defective.reason, 0


def _say(job: _Job, defective: Defective, tries: int) -> None:
    key = job.link.key
    facts = {"reason": defective.reason.value, "detail": defective.detail, "try": tries}
    where = {"pbx": key.pbx, "call_id": key.call_id, "link": key.link}
    log.warning("recording.defective", extra=where | facts | {"trace_id": trace_id_of(job.link.traceparent)})
