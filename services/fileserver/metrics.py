"""What the fileserver counts: requests by status, and the time to the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from switchhook.telemetry.neighbours import DatabaseMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_STATUSES = (200, 204, 206, 302, 304, 403, 404, 405, 410, 412, 416, 429, 500, 503)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class FileserverMetrics:
    """Metrics of one fileserver, in an injected registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.database = DatabaseMetrics(registry, "fileserver")
        self._requests = Counter(
            "switchhook_file_requests_total", "Requests for recordings, by status.", ["status"], registry=registry
        )
        self.first_byte = Histogram(
            "switchhook_file_first_byte_seconds",
            "From the request's arrival to its first byte of audio.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.sent = Counter("switchhook_file_sent_bytes_total", "Bytes of audio sent.", registry=registry)
        self.dropped = Counter(
            "switchhook_file_dropped_total",
            "Downloads that broke off: the client went away or stopped reading.",
            registry=registry,
        )
        self.connections = Gauge("switchhook_file_connections", "Open connections.", registry=registry)
        self.listens_lost = Counter(
            "switchhook_file_listens_lost_total",
            "Downloads that are in the log only: no row was kept.",
            registry=registry,
        )
        self._request_by_status = {status: self._requests.labels(str(status)) for status in _STATUSES}

    def request(self, status: int) -> None:
        """A request for a recording was answered."""
        self._request_by_status[status].inc()
