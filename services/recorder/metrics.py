"""What the recorder counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from services.recorder.jobs import NOTHING_TO_HEAR, Absent, Failed, Outcome, Ready, Reason
from services.recorder.link_verdict import LinkVerdict
from switchhook.objects import GoneReason
from switchhook.telemetry.metrics import LATENCY_BUCKETS, outbox_age

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_LAG_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0)
_NO_FAILURES = (Reason.NONE, Reason.NO_RECORDING)


class RecorderMetrics:
    """Metrics of one recorder, in an injected registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._recordings = Counter(
            "switchhook_recordings",
            "Links whose recording was owed, by what became of it.",
            ["outcome", "reason"],
            registry=registry,
        )
        self._defects = Counter(
            "switchhook_recording_defects", "Files that no MP3 came of, tries included.", ["reason"], registry=registry
        )
        self.ready_lag = Histogram(
            "switchhook_recording_ready_lag_seconds",
            "From the end of a call until the event of its recording was committed.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.transcode_seconds = Histogram(
            "switchhook_transcode_seconds",
            "One conversion, the wait for a free place included.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.polls = Counter("switchhook_recorder_polls", "Looks at a PBX's list of recordings.", registry=registry)
        self._purged = Counter("switchhook_recordings_purged", "MP3 files deleted.", ["reason"], registry=registry)
        self.stored_bytes = Gauge(
            "switchhook_recordings_stored_bytes", "What all MP3 files take, as last counted.", registry=registry
        )
        self._link_checks = Counter(
            "switchhook_recording_link_checks",
            "Recordings fetched through their public link before they were told.",
            ["verdict"],
            registry=registry,
        )
        self.outbox_age = outbox_age(registry)
        for gone in GoneReason:
            self._purged.labels(gone.value)
        for verdict in LinkVerdict:
            self._link_checks.labels(verdict.value)
        self.jobs_waiting = Gauge(
            "switchhook_recorder_jobs_waiting", "Links whose outcome is not told yet.", registry=registry
        )
        self.oldest_job_age = Gauge(
            "switchhook_recorder_oldest_job_age_seconds", "Age of the oldest of them.", registry=registry
        )
        self._recordings.labels("ready", Reason.NONE.value)
        self._recordings.labels("absent", Reason.NO_RECORDING.value)
        for reason in Reason:
            if reason not in _NO_FAILURES:
                self._recordings.labels("absent" if reason in NOTHING_TO_HEAR else "failed", reason.value)
                self._defects.labels(reason.value)

    def told(self, outcome: Outcome) -> None:
        """An outcome was told."""
        match outcome:
            case Ready():
                self._recordings.labels("ready", Reason.NONE.value).inc()
            case Absent(reason):
                self._recordings.labels("absent", reason.value).inc()
            case Failed(reason):
                self._recordings.labels("failed", reason.value).inc()

    def purged(self, reason: GoneReason, files: int) -> None:
        """Files were deleted."""
        self._purged.labels(reason.value).inc(files)

    def link_checked(self, verdict: LinkVerdict) -> None:
        """A public link was tried."""
        self._link_checks.labels(verdict.value).inc()

    def defect(self, reason: Reason) -> None:
        """A try came to nothing."""
        self._defects.labels(reason.value).inc()
