"""Publish as both its ends see it: each batch is measured, and is a span of every event in it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.telemetry.traceparent import is_sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.rpc import Received
    from switchhook.runtime.clock import Clock
    from switchhook.telemetry.neighbours import ProducerMetrics, SinkMetrics
    from switchhook.telemetry.tracing import Tracing


class ObservedSink:
    """A sink that events are published to: `Publisher`'s `measure`."""

    def __init__(self, sink: str, metrics: SinkMetrics, *, tracing: Tracing, clock: Clock) -> None:
        self.is_traced = tracing.is_on
        self._facts = {"sink": sink}
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock

    def answered(self, seconds: float, traceparents: Sequence[str]) -> None:
        """See `switchhook.rpc.publish.Measure`."""
        self._metrics.answered(seconds)
        for parent in filter(is_sampled, traceparents):
            ended = self._clock()
            began = ended - timedelta(seconds=seconds)
            self._tracing.record(
                "event.publish",
                self._tracing.under(parent),
                parent=parent,
                began=began,
                ended=ended,
                attributes=self._facts,
            )

    def connected(self, is_connected: bool) -> None:
        """See `switchhook.rpc.publish.Measure`."""
        self._metrics.connected(is_connected)


class ObservedAcceptance:
    """What a sink accepts: the server's `answered`."""

    def __init__(self, service: str, metrics: ProducerMetrics, *, tracing: Tracing, clock: Clock) -> None:
        self._facts = {"service": service}
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock

    def __call__(self, code: str, seconds: float, events: Sequence[Received]) -> None:
        """A batch was answered with this code, so long after it was taken."""
        self._metrics.accepted(code, seconds)
        if not self._tracing.is_on:
            return
        for parent in (received.event.traceparent for received in events):
            if is_sampled(parent):
                ended = self._clock()
                self._tracing.record(
                    "event.accept",
                    self._tracing.under(parent),
                    parent=parent,
                    began=ended - timedelta(seconds=seconds),
                    ended=ended,
                    attributes=self._facts,
                )
