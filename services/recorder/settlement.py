"""What is owed, and its telling: each link's outcome becomes one event, newest link first, in the outbox.

One unit of the database holds an outcome, the files it brought and the events that may now be told, so after a crash
either all of it happened or none of it, and what is done again tells the same events. The unit is refused (`LeaseLost`)
when the call is not this recorder's any more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from services.recorder.catalog import settling, taking, telling
from services.recorder.fence import Fence
from services.recorder.jobs import Ready, recording_event
from switchhook.rpc import encode
from switchhook.telemetry.traceparent import is_sampled, trace_id_of
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.jobs import Due, Outcome, PendingCall
    from services.recorder.kept_files import KeptFiles
    from services.recorder.matching import AwaitedLink
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.retention_policy import RetentionPolicy
    from services.recorder.rows import RecordingRow
    from switchhook.events import CallId, Event
    from switchhook.runtime.clock import Clock
    from switchhook.storage import Database, Outbox
    from switchhook.telemetry.tracing import Attributes, Tracing

log = logging.getLogger(__name__)


class Settlement:
    """The calls that this recorder works at."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        kept: KeptFiles,
        *,
        outbox: Outbox,
        policy: RetentionPolicy,
        clock: Clock,
        fence: Fence | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._kept = kept
        self._outbox = outbox
        self._policy = policy
        self._clock = clock
        self._tracing = tracing
        self._fence = fence or Fence()
        self._calls: dict[tuple[str, CallId], PendingCall] = {}
        self._locks: dict[tuple[str, CallId], asyncio.Lock] = {}
        self._metrics: RecorderMetrics | None = None

    def measured_by(self, metrics: RecorderMetrics) -> None:
        """Count into these metrics from now on."""
        self._metrics = metrics

    def owe(self, call: PendingCall) -> None:
        """Take a call that is this recorder's."""
        self._calls[call.pbx, call.call_id] = call
        self._locks[call.pbx, call.call_id] = asyncio.Lock()

    def leave(self, call: PendingCall) -> None:
        """Give up a call of which nothing is being settled; what is over was given up already."""
        self._calls.pop((call.pbx, call.call_id), None)
        self._locks.pop((call.pbx, call.call_id), None)

    async def count_attempt(self, link: AwaitedLink) -> None:
        """One more conversion of the link failed. Raises `StorageError`."""
        await self._catalog.count_attempt(link.key)

    async def settle(self, link: AwaitedLink, outcome: Outcome, rows: Sequence[RecordingRow] = ()) -> None:
        """Keep the outcome, which came of these rows, and tell what may be told.

        Raises `StorageError`; then nothing happened, try again, but for `LeaseLost`: it is another one's by now.
        """
        place = link.key.pbx, link.key.call_id
        if place not in self._calls:
            return
        async with self._locks[place]:
            call = self._calls.get(place)
            if call is None or link.key.link in call.outcomes:
                return
            await self._commit(call, link, outcome, rows)
            if call.is_over:
                del self._calls[place], self._locks[place]

    async def _commit(
        self, call: PendingCall, link: AwaitedLink, outcome: Outcome, rows: Sequence[RecordingRow]
    ) -> None:
        now = began = self._clock()
        retention = self._policy.of(link.key.pbx, direction=link.direction, did=link.did)
        unit = self._fence.of_call(call.pbx, call.call_id)
        unit += settling(link.key, outcome, at=now, expires_at=link.ended_at + retention)
        unit += taking(link.key, rows)
        due = call.due({**call.outcomes, link.key.link: outcome})
        if due:
            # Times never go back within a call, whatever the clock does.
            now = max(now, call.ended_at, call.told_at or call.ended_at)
            final = await self._catalog.final_event(call)
            events = [recording_event(final, told, at=now, retention=retention) for told in due]
            if call.is_announced:
                unit += self._outbox.append([(event.id, encode(event)) for event in events])
            unit += telling(call, due, at=now)
        self._fence.demand()
        await self._database.write(unit)
        call.outcomes[link.key.link] = outcome
        if isinstance(outcome, Ready):
            self._kept.stored(outcome.files)
        if due:
            self._outbox.notify()
            call.told += len(due)
            call.told_at = now
            self._record(call, due, events)
            self._trace(call, final.traceparent, events, began=began)

    def _record(self, call: PendingCall, due: Sequence[Due], events: Sequence[Event]) -> None:
        for told, event in zip(due, events, strict=True):
            lag = (event.occurred_at - call.ended_at).total_seconds()
            log.info(
                event.type.value,
                extra={
                    "pbx": call.pbx,
                    "call_id": call.call_id,
                    "link": told.link,
                    "sequence": told.sequence,
                    "announced": call.is_announced,
                    "reason": event.recording.reason if event.recording else "",
                    "lag_seconds": round(lag, 3),
                    "trace_id": trace_id_of(event.traceparent),
                },
            )
            if self._metrics is not None:
                self._metrics.told(told.outcome)
                if isinstance(told.outcome, Ready):
                    self._metrics.ready_lag.observe(lag)

    def _trace(self, call: PendingCall, parent: str, events: Sequence[Event], *, began: datetime) -> None:
        """The telling of each recording, and all that was done for it, which is over with that."""
        if not self._tracing.is_on or not is_sampled(parent):
            return
        ended = self._clock()
        for event in events:
            link = next(each for each in call.links if each.key.link == event.link)
            facts: Attributes = {"pbx": call.pbx, "call_id": str(call.call_id), "link": event.link}
            self._tracing.record(
                event.type.value,
                event.traceparent,
                parent=link.traceparent,
                began=began,
                ended=ended,
                attributes={**facts, "event_id": str(event.id)},
            )
            self._tracing.record(
                "recording", link.traceparent, parent=parent, began=call.accepted_at, ended=ended, attributes=facts
            )
