"""A thread that owns one blocking resource and works off what an event loop gives it, in the order it was given.

What waits is taken in batches, and a batch is reported back to the loop by one wake-up, so that a thousand small jobs
a second cost little more than one large one. The queue is bounded: `call` waits for room.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from switchhook.errors import StorageBroken, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Work = TypeVar("Work")
Result = TypeVar("Result")

_QUEUE_LIMIT = 10_000  # jobs accepted and not yet done


@dataclass(slots=True, eq=False)
class _Job(Generic[Work, Result]):
    work: Work
    future: asyncio.Future[Result]


class Worker(Generic[Work, Result]):
    """Runs batches of work in its own thread; `run` gives one outcome for each piece of work, and never raises."""

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Work]], Sequence[Result | StorageError]],
        *,
        batch: int,
        finish: Callable[[], None],
    ) -> None:
        """Must be called on the event loop. `finish` runs in the thread after the last batch."""
        self._run = run
        self._batch = batch
        self._finish = finish
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_QUEUE_LIMIT)
        self._queue: queue.SimpleQueue[_Job[Work, Result] | None] = queue.SimpleQueue()
        self._closed = False
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def call(self, work: Work) -> Result:
        """The outcome of one piece of work, in the order of the calls. Work is done even if its caller is cancelled."""
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise StorageBroken("the database is closed")
        job: _Job[Work, Result] = _Job(work, self._loop.create_future())
        self._queue.put(job)
        return await job.future

    async def close(self) -> None:
        """Do what was accepted, then end the thread. Waits as long as that takes: giving up would lose commits."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await self._ended.wait()
        self._thread.join()

    def _serve(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._take()
            if jobs:
                self._report(self._settle, jobs, self._outcomes([job.work for job in jobs]))
        try:
            self._finish()
        finally:
            self._report(self._ended.set)

    def _take(self) -> tuple[list[_Job[Work, Result]], bool]:
        job = self._queue.get()
        jobs = []
        try:
            while job is not None:
                jobs.append(job)
                if len(jobs) == self._batch:
                    return jobs, False
                job = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _outcomes(self, works: Sequence[Work]) -> Sequence[Result | StorageError]:
        try:
            return self._run(works)
        except Exception as error:  # the boundary of the thread: an unforeseen error must reach the callers
            broken = StorageBroken(f"unforeseen: {error!r}")
            broken.__cause__ = error
            return [broken] * len(works)

    def _report(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    def _settle(self, jobs: Sequence[_Job[Work, Result]], outcomes: Sequence[Result | StorageError]) -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._room.release()
            if job.future.done():
                continue  # its caller was cancelled
            if isinstance(outcome, StorageError):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
