"""What the fileserver counts: requests by status, and the time to the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_STATUSES = (200, 206, 304, 403, 404, 405, 410, 412, 416, 500)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class FileserverMetrics:
    """Metrics of one fileserver, in an injected registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "switchhook_file_requests", "Requests for recordings, by status.", ["status"], registry=registry
        )
        self.first_byte = Histogram(
            "switchhook_file_first_byte_seconds",
            "From the request's arrival to its first byte of audio.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.sent = Counter("switchhook_file_sent_bytes", "Bytes of audio sent.", registry=registry)
        self.dropped = Counter(
            "switchhook_file_dropped",
            "Downloads that broke off: the client went away or stopped reading.",
            registry=registry,
        )
        self.connections = Gauge("switchhook_file_connections", "Open connections.", registry=registry)
        for status in _STATUSES:
            self.requests.labels(str(status))
