"""The monitor's part of a call's trace: the call itself, its events, and the keeping of each.

A call's span is the root of its trace, from its arrival until it is completed. Below it stands each event, from the
PBX's word of it until it is durable, and below that the writing; what is between them is the tracker's.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from switchhook.telemetry.traceparent import derived, is_sampled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from switchhook.events import Event
    from switchhook.runtime.clock import Clock
    from switchhook.telemetry.tracing import Tracing


class CallSpans:
    """Of one PBX's calls."""

    def __init__(self, tracing: Tracing, clock: Clock) -> None:
        self._tracing = tracing
        self._clock = clock

    def traced(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events with the spans under which their deliveries will stand; as they are when traces are off."""
        return [self._traced(event) for event in events] if self._tracing.is_on else events

    @contextmanager
    def kept(self, events: Sequence[Event]) -> Iterator[None]:
        """The events become durable while the context lasts."""
        if not self._tracing.is_on:
            yield
            return
        began = self._clock()
        yield
        for event in events:
            if is_sampled(event.traceparent):
                self._record(event, began, self._clock())

    def _traced(self, event: Event) -> Event:
        root = self._tracing.call(event.pbx, event.call.id)
        return replace(event, traceparent=derived(root, event.id) if is_sampled(root) else root)

    def _record(self, event: Event, began: datetime, ended: datetime) -> None:
        tracing, root = self._tracing, self._tracing.call(event.pbx, event.call.id)
        facts = {"pbx": event.pbx, "call_id": str(event.call.id)}
        tracing.record(
            event.type.value,
            event.traceparent,
            parent=root,
            began=min(event.observed_at, began),
            ended=ended,
            attributes={**facts, "event_id": str(event.id), "reconciled": event.reconciled},
        )
        tracing.record(
            "event.keep", tracing.under(event.traceparent), parent=event.traceparent, began=began, ended=ended
        )
        if event.summary is not None:
            facts |= {"direction": event.call.direction.value}
            arrived_at = min(event.call.arrived_at, event.observed_at)
            tracing.record("call", root, began=arrived_at, ended=ended, attributes=facts)
