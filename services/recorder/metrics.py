"""What the recorder counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from services.recorder.jobs import NOTHING_TO_HEAR, Absent, Failed, Outcome, Ready, Reason
from services.recorder.link_verdict import LinkVerdict
from switchhook.objects import GoneReason
from switchhook.telemetry.metrics import LATENCY_BUCKETS, preset
from switchhook.telemetry.neighbours import DatabaseMetrics, ProducerMetrics, sink_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

_LAG_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0)
_SPEED_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
_NO_FAILURES = (Reason.NONE, Reason.NO_RECORDING)


class RecorderMetrics:
    """Metrics of one recorder, in an injected registry."""

    def __init__(self, registry: CollectorRegistry, sinks: Sequence[str] = ()) -> None:
        self.database = DatabaseMetrics(registry, "recorder")
        self.producers = ProducerMetrics(registry, "recorder")
        self.sinks = sink_metrics(registry, "recorder", sinks)
        self._outcome_metrics(registry)
        self._work_metrics(registry)
        self._storage_metrics(registry)

    def _outcome_metrics(self, registry: CollectorRegistry) -> None:
        self._recordings = Counter(
            "switchhook_recordings_total",
            "Links whose recording was owed, by what became of it.",
            ["outcome", "reason"],
            registry=registry,
        )
        self._defects = Counter(
            "switchhook_recording_defects_total",
            "Files that no MP3 came of, tries included.",
            ["reason"],
            registry=registry,
        )
        self._link_checks = Counter(
            "switchhook_recording_link_checks_total",
            "Recordings fetched through their public link before they were told.",
            ["verdict"],
            registry=registry,
        )
        preset(self._link_checks, verdict=LinkVerdict)
        self._recordings.labels("ready", Reason.NONE.value)
        self._recordings.labels("absent", Reason.NO_RECORDING.value)
        for reason in Reason:
            if reason not in _NO_FAILURES:
                self._recordings.labels("absent" if reason in NOTHING_TO_HEAR else "failed", reason.value)
                self._defects.labels(reason.value)

    def _work_metrics(self, registry: CollectorRegistry) -> None:
        self.ready_lag = Histogram(
            "switchhook_recording_ready_lag_seconds",
            "From the end of a call until the event of its recording was committed.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.download_seconds = Histogram(
            "switchhook_recording_download_seconds",
            "Fetching one recording from its PBX or folder.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.transcode_seconds = Histogram(
            "switchhook_transcode_seconds",
            "One conversion, whatever came of it, the wait for a free place included.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.speed = Histogram(
            "switchhook_transcode_speed_ratio",
            "Length of a recording over the time that ffmpeg took for it, waiting excluded.",
            buckets=_SPEED_BUCKETS,
            registry=registry,
        )
        self.store_seconds = Histogram(
            "switchhook_recording_store_seconds",
            "Checking, tagging and storing one MP3.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.jobs_waiting = Gauge(
            "switchhook_recorder_jobs_waiting",
            "Links whose outcome is not told yet, of all recorders on the database.",
            registry=registry,
        )
        self.oldest_job_age = Gauge(
            "switchhook_recorder_oldest_job_age_seconds",
            "How long the oldest of them has been waiting.",
            registry=registry,
        )
        self.polls = Counter(
            "switchhook_recorder_polls_total", "Looks at a PBX's list of recordings.", registry=registry
        )

    def _storage_metrics(self, registry: CollectorRegistry) -> None:
        self._purged = Counter(
            "switchhook_recordings_purged_total", "MP3 files deleted.", ["reason"], registry=registry
        )
        preset(self._purged, reason=GoneReason)
        self.stored_bytes = Gauge(
            "switchhook_storage_bytes", "What all MP3 files take, as last counted.", registry=registry
        )

    def waiting(self, links: int, oldest: float) -> None:
        """So many links wait, the oldest for so many seconds."""
        self.jobs_waiting.set(links)
        self.oldest_job_age.set(oldest)

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
