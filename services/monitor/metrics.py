"""What the monitor counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.monitor.unknowns import OTHER, Unknown
from switchhook.events import Direction, Event, EventType, is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.monitor.calls.live import LiveCall

_FRAME_KINDS = ("upsert", "remove", "other", "unreadable", "unknown", "read_over_http")


class MonitorMetrics:
    """Every label is pre-initialised, so that a rate begins at zero."""

    def __init__(self, registry: CollectorRegistry, pbx_names: Sequence[str], sinks: Sequence[str]) -> None:
        self.connected = Gauge(
            "switchhook_pbx_connected", "1 while the PBX's websocket is open", ["pbx"], registry=registry
        )
        self._concurrent = Gauge(
            "switchhook_concurrent_calls", "Reported calls that live", ["pbx", "direction"], registry=registry
        )
        self._events = Counter("switchhook_events_total", "Events derived", ["pbx", "type"], registry=registry)
        self._reconciled = Counter(
            "switchhook_reconciled_events_total", "Events derived after a gap", ["pbx"], registry=registry
        )
        self._frames = Counter(
            "switchhook_monitor_frames_total", "Websocket frames by kind", ["pbx", "kind"], registry=registry
        )
        self.unknowns = Counter(
            "switchhook_monitor_unknowns_total",
            "Names of a PBX that are not known here; after the first 50 of a PBX, `other`",
            ["pbx", "what", "name"],
            registry=registry,
        )
        self.outbox_age = Gauge(
            "switchhook_outbox_oldest_age_seconds",
            "Age of the oldest event that a sink has not acknowledged",
            ["sink"],
            registry=registry,
        )
        for pbx in pbx_names:
            self.connected.labels(pbx)
            self._reconciled.labels(pbx)
            for direction in Direction:
                self._concurrent.labels(pbx, direction)
            for kind in EventType:
                self._events.labels(pbx, kind)
            for frame in _FRAME_KINDS:
                self._frames.labels(pbx, frame)
            for what in Unknown:
                self.unknowns.labels(pbx, what, OTHER)
        for sink in sinks:
            self.outbox_age.labels(sink)

    def frames_of(self, pbx: str) -> Callable[[str], None]:
        """Counts a PBX's frames by kind; looks a label up once, and not for every frame."""
        counters = {kind: self._frames.labels(pbx, kind) for kind in _FRAME_KINDS}
        return lambda kind: counters[kind].inc()

    def restored(self, pbx: str, calls: Iterable[LiveCall]) -> None:
        """Calls that were live when the monitor stopped."""
        for call in calls:
            if call.sequence:
                self._concurrent.labels(pbx, call.direction or Direction.INTERNAL).inc()

    def published(self, event: Event) -> None:
        """An event was kept, and will reach every sink."""
        self._events.labels(event.pbx, event.type).inc()
        if event.reconciled:
            self._reconciled.labels(event.pbx).inc()
        if event.sequence == 1:
            self._concurrent.labels(event.pbx, event.call.direction).inc()
        if is_final(event):
            self._concurrent.labels(event.pbx, event.call.direction).dec()
