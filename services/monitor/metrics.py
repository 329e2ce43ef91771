"""What the monitor counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.monitor.standing import CallOutcome, CallState, outcome_of, state_of
from services.monitor.unknowns import Unknown
from switchhook.events import Direction, Event, EventType, SummarySource, is_final
from switchhook.telemetry.metrics import LATENCY_BUCKETS, preset
from switchhook.telemetry.neighbours import DatabaseMetrics, sink_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from services.monitor.calls.live import LiveCall
    from switchhook.events import Call, CallId

_FRAME_KINDS = ("upsert", "remove", "other", "unreadable", "unknown", "read_over_http")


class MonitorMetrics:
    """Every label is pre-initialised, so that a rate begins at zero."""

    def __init__(self, registry: CollectorRegistry, pbx_names: Sequence[str], sinks: Sequence[str]) -> None:
        self.database = DatabaseMetrics(registry, "monitor")
        self.sinks = sink_metrics(registry, "monitor", sinks)
        self._link_metrics(registry, pbx_names)
        self._call_metrics(registry, pbx_names)
        self._standing_by_call: dict[str, dict[CallId, tuple[Direction, CallState]]] = {name: {} for name in pbx_names}

    def _link_metrics(self, registry: CollectorRegistry, pbx_names: Sequence[str]) -> None:
        self.connected = Gauge(
            "switchhook_pbx_connected", "1 while the PBX's websocket is open.", ["pbx"], registry=registry
        )
        self.connections = Counter(
            "switchhook_pbx_connections_total", "Times that the PBX was followed (again).", ["pbx"], registry=registry
        )
        self.token_expiry = Gauge(
            "switchhook_pbx_token_expiry_timestamp_seconds",
            "When the PBX's token that is in use runs out, were it not renewed before; 0: there is none yet.",
            ["pbx"],
            registry=registry,
        )
        self.owned = Gauge(
            "switchhook_pbx_owned", "1 while this monitor is the one that watches the PBX.", ["pbx"], registry=registry
        )
        self.failures = Counter(
            "switchhook_monitor_watch_failures_total",
            "Times that the watch of a PBX failed inside and was begun again.",
            ["pbx"],
            registry=registry,
        )
        self._frames = Counter(
            "switchhook_monitor_frames_total", "Websocket frames by kind.", ["pbx", "kind"], registry=registry
        )
        self.unknowns = Counter(
            "switchhook_monitor_unknowns_total",
            "Words of a PBX that are not known here; the log line `pbx.unknown` says which.",
            ["pbx", "what"],
            registry=registry,
        )
        for metric in (self.connected, self.connections, self.token_expiry, self.owned, self.failures):
            preset(metric, pbx=pbx_names)
        preset(self._frames, pbx=pbx_names, kind=_FRAME_KINDS)
        preset(self.unknowns, pbx=pbx_names, what=Unknown)

    def _call_metrics(self, registry: CollectorRegistry, pbx_names: Sequence[str]) -> None:
        self._concurrent = Gauge(
            "switchhook_concurrent_calls",
            "Reported calls that live, as of their latest events.",
            ["pbx", "direction", "state"],
            registry=registry,
        )
        self._calls = Counter(
            "switchhook_calls_total",
            "Calls that are over; `missed`: nobody ever talked.",
            ["pbx", "direction", "outcome"],
            registry=registry,
        )
        self._events = Counter("switchhook_events_total", "Events derived.", ["pbx", "type"], registry=registry)
        self._reconciled = Counter(
            "switchhook_reconciled_events_total", "Events derived after a gap.", ["pbx"], registry=registry
        )
        self._keep = Histogram(
            "switchhook_event_keep_seconds",
            "From the PBX's word of an event until the event is durable; not of what was found after a gap.",
            ["pbx"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.unreported = Counter(
            "switchhook_monitor_unreported_calls_total",
            "Calls that only the call log had, and that were reported afterwards; must stay 0.",
            ["pbx"],
            registry=registry,
        )
        self.proven = Gauge(
            "switchhook_monitor_proven_until_timestamp_seconds",
            "Until when the call log was compared with what was reported; 0: not yet.",
            ["pbx"],
            registry=registry,
        )
        self.completed = Counter(
            "switchhook_monitor_completed_calls_total",
            "Completed calls, by where their figures are from.",
            ["pbx", "source"],
            registry=registry,
        )
        preset(self._concurrent, pbx=pbx_names, direction=Direction, state=CallState)
        preset(self._calls, pbx=pbx_names, direction=Direction, outcome=CallOutcome)
        preset(self._events, pbx=pbx_names, type=_MONITORED)
        preset(self.completed, pbx=pbx_names, source=SummarySource)
        for metric in (self._reconciled, self._keep, self.unreported, self.proven):
            preset(metric, pbx=pbx_names)

    def frames_of(self, pbx: str) -> Callable[[str], None]:
        """Counts a PBX's frames by kind; looks a label up once, and not for every frame."""
        counters = {kind: self._frames.labels(pbx, kind) for kind in _FRAME_KINDS}
        return lambda kind: counters[kind].inc()

    def restored(self, pbx: str, calls: Iterable[LiveCall]) -> None:
        """Calls that were live when the PBX was last watched."""
        self.released(pbx)
        for call in calls:
            if call.sequence:
                self._stands(pbx, call.so_far())

    def released(self, pbx: str) -> None:
        """Nobody watches the PBX here: the sum over all monitors is that of those who do."""
        self.connected.labels(pbx).set(0)
        self._standing_by_call[pbx].clear()
        for direction in Direction:
            for state in CallState:
                self._concurrent.labels(pbx, direction, state).set(0)

    def published(self, event: Event, *, at: datetime | None = None) -> None:
        """An event was kept, and will reach every sink; `at`: just now, where that is worth a measure."""
        self._events.labels(event.pbx, event.type).inc()
        if event.reconciled:
            self._reconciled.labels(event.pbx).inc()
        elif at is not None:
            self._keep.labels(event.pbx).observe(max((at - event.observed_at).total_seconds(), 0.0))
        if event.summary is not None:
            self.completed.labels(event.pbx, event.summary.source).inc()
        elif is_final(event):
            self._calls.labels(event.pbx, event.call.direction, outcome_of(event)).inc()
            self._gone(event.pbx, event.call.id)
        else:
            self._stands(event.pbx, event.call)

    def _stands(self, pbx: str, call: Call) -> None:
        standing = call.direction, state_of(call)
        if self._standing_by_call[pbx].get(call.id) != standing:
            self._gone(pbx, call.id)
            self._standing_by_call[pbx][call.id] = standing
            self._concurrent.labels(pbx, *standing).inc()

    def _gone(self, pbx: str, call: CallId) -> None:
        standing = self._standing_by_call[pbx].pop(call, None)
        if standing is not None:
            self._concurrent.labels(pbx, *standing).dec()


_MONITORED = tuple(kind for kind in EventType if kind.startswith("call."))
