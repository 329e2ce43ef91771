"""What the monitor counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.monitor.unknowns import OTHER, Unknown
from switchhook.events import Direction, Event, EventType, SummarySource, is_final
from switchhook.telemetry.metrics import outbox_age

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
        self.owned = Gauge(
            "switchhook_pbx_owned", "1 while this monitor is the one that watches the PBX", ["pbx"], registry=registry
        )
        self.failures = Counter(
            "switchhook_monitor_watch_failures_total",
            "Times that the watch of a PBX failed inside and was begun again",
            ["pbx"],
            registry=registry,
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
        self.unreported = Counter(
            "switchhook_monitor_unreported_calls_total",
            "Calls that only the call log had, and that were reported afterwards",
            ["pbx"],
            registry=registry,
        )
        self.proven = Gauge(
            "switchhook_monitor_proven_until_timestamp_seconds",
            "Until when the call log was compared with what was reported; 0: not yet",
            ["pbx"],
            registry=registry,
        )
        self.completed = Counter(
            "switchhook_monitor_completed_calls_total",
            "Completed calls, by where their figures are from",
            ["pbx", "source"],
            registry=registry,
        )
        self.outbox_age = outbox_age(registry)
        for pbx in pbx_names:
            self.connected.labels(pbx)
            self.owned.labels(pbx)
            self.failures.labels(pbx)
            self._reconciled.labels(pbx)
            self.unreported.labels(pbx)
            self.proven.labels(pbx)
            for source in SummarySource:
                self.completed.labels(pbx, source)
            for direction in Direction:
                self._concurrent.labels(pbx, direction)
            for kind in EventType:
                self._events.labels(pbx, kind)
            for frame in _FRAME_KINDS:
                self._frames.labels(pbx, frame)
            for what in Unknown:
                self.unknowns.labels(pbx, what, OTHER)
        for sink in sinks:
            self.outbox_age.labels("monitor", sink)

    def frames_of(self, pbx: str) -> Callable[[str], None]:
        """Counts a PBX's frames by kind; looks a label up once, and not for every frame."""
        counters = {kind: self._frames.labels(pbx, kind) for kind in _FRAME_KINDS}
        return lambda kind: counters[kind].inc()

    def restored(self, pbx: str, calls: Iterable[LiveCall]) -> None:
        """Calls that were live when the PBX was last watched."""
        self.released(pbx)
        for call in calls:
            if call.sequence:
                self._concurrent.labels(pbx, call.direction or Direction.INTERNAL).inc()

    def released(self, pbx: str) -> None:
        """Nobody watches the PBX here: the sum over all monitors is that of those who do."""
        self.connected.labels(pbx).set(0)
        for direction in Direction:
            self._concurrent.labels(pbx, direction).set(0)

    def published(self, event: Event) -> None:
        """An event was kept, and will reach every sink."""
        self._events.labels(event.pbx, event.type).inc()
        if event.reconciled:
            self._reconciled.labels(event.pbx).inc()
        if event.summary is not None:
            self.completed.labels(event.pbx, event.summary.source).inc()
        if event.sequence == 1:
            self._concurrent.labels(event.pbx, event.call.direction).inc()
        if is_final(event):
            self._concurrent.labels(event.pbx, event.call.direction).dec()
