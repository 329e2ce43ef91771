"""Recordings from the end of a call to somebody who listens: lag, conversions, storage, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charts.dashboards.frame import Section, framed
from charts.dashboards.panels import GREEN, RED, Limits, Query, heat, lines, number
from charts.dashboards.queries import buckets, per_minute, per_second, quantiles

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel

LAG = "switchhook_recording_ready_lag_seconds"
SPEED = per_second("switchhook_transcode_speed_ratio_bucket", by="le")
NOT_READY = 'outcome!="ready"'


def recordings() -> Dashboard:
    """Recorder and file server."""
    return framed(
        "recordings",
        "Recordings",
        "From the end of a call to the link that plays. `switchhook recordings list` shows single ones.",
        Section(title="Now", panels=_figures()),
        Section(title="What became of them", panels=_outcomes()),
        Section(title="Conversion", panels=_conversion()),
        Section(title="Storage and downloads", panels=[*_storage(), *_downloads()]),
    )


def _figures() -> list[Builder[Panel]]:
    return [
        number(
            "Owed",
            Query("max(switchhook_recorder_jobs_waiting)"),
            unit="short",
            about="Recordings whose outcome is not told yet.",
        ),
        number(
            "Oldest owed",
            Query("max(switchhook_recorder_oldest_job_age_seconds)"),
            unit="s",
            limits=Limits(amber=300, red=900),
            about="Since when the first of them is owed. Runbook: SwitchhookRecordingsLate.",
        ),
        number(
            "Ready",
            Query('round(sum(increase(switchhook_recordings_total{outcome="ready"}[$__range])))'),
            unit="short",
            about="Recordings that got a link in the time that is shown.",
        ),
        number(
            "Failed",
            Query('round(sum(increase(switchhook_recordings_total{outcome="failed"}[$__range])))'),
            unit="short",
            limits=Limits(red=1),
            about="Recordings that no MP3 came of. Runbook: SwitchhookRecordingsFailing.",
        ),
        number(
            "Stored",
            Query("max(switchhook_storage_bytes)"),
            unit="bytes",
            about="What all MP3 files take, as last counted.",
        ),
        number(
            "Downloads refused",
            Query('round(sum(increase(switchhook_file_requests_total{status=~"401|403|404|410"}[$__range])))'),
            unit="short",
            limits=Limits(amber=1),
            about="Links that did not open: without a valid signature (403), expired or deleted (410), unknown (404).",
        ),
    ]


def _outcomes() -> list[Builder[Panel]]:
    return [
        lines(
            "Recordings a minute, by outcome",
            Query(per_minute("switchhook_recordings_total", by="outcome"), "{{outcome}}"),
            unit="cpm",
            is_stacked=True,
            colours={"ready": GREEN, "failed": RED},
            about="What became of the recordings that were owed. `absent`: the PBX has none, or one without sound.",
        ),
        lines(
            "Not ready, by reason",
            Query(f"{per_minute('switchhook_recordings_total', NOT_READY, by='outcome, reason')} > 0", "{{reason}}"),
            unit="cpm",
            is_stacked=True,
            about="Why there is no MP3. `no_recording`: this extension is not recorded by the PBX. Empty is good.",
        ),
        lines(
            "From the end of a call to its link",
            *quantiles(LAG),
            unit="s",
            about="How long after the end of a call its recording was ready and told. The PBX's own delay is in it.",
        ),
        heat("Lag", buckets(LAG), unit="s", about="How many recordings took how long until their links were told."),
    ]


def _conversion() -> list[Builder[Panel]]:
    return [
        lines(
            "Conversion time",
            *quantiles("switchhook_transcode_seconds"),
            unit="s",
            about="From a file of the PBX to an MP3, the wait for a free place included.",
        ),
        lines(
            "Speed of conversion",
            Query(f"histogram_quantile(0.5, {SPEED})", "half are faster than"),
            Query(f"histogram_quantile(0.05, {SPEED})", "the slowest 5 % below"),
            unit="none",
            about="Seconds of talk that ffmpeg converts in a second. Of short ones its start is most of the time.",
        ),
        lines(
            "Oldest recording owed",
            Query("max(switchhook_recorder_oldest_job_age_seconds)", "oldest"),
            unit="s",
            about="How long the first recording has been waiting: for the PBX (seconds), or for the processor.",
        ),
        lines(
            "Defective files",
            Query(f"{per_minute('switchhook_recording_defects_total', by='reason')} > 0", "{{reason}}"),
            unit="cpm",
            about="Files of the PBX that no MP3 came of, tries included. Empty is good.",
        ),
    ]


def _storage() -> list[Builder[Panel]]:
    return [
        lines(
            "Storage",
            Query("max(switchhook_storage_bytes)", "MP3 files"),
            Query('min(switchhook_disk_free_bytes{place="storage"})', "free on their disk"),
            unit="bytes",
            about="What all MP3 files take, as last counted, and the room left where they are in a folder. "
            "Runbook: SwitchhookStorageFilling.",
        ),
        lines(
            "Deleted a minute, by reason",
            Query(per_minute("switchhook_recordings_purged_total", by="reason"), "{{reason}}"),
            unit="cpm",
            about="Recordings that were deleted. `quota` means that the room is too small for the retention.",
        ),
    ]


def _downloads() -> list[Builder[Panel]]:
    return [
        lines(
            "Downloads by status",
            Query(f"{per_second('switchhook_file_requests_total', by='status')} > 0", "{{status}}"),
            unit="reqps",
            is_stacked=True,
            about="Requests for recordings. 200 and 206 play; 403 has no valid signature, 410 is expired.",
        ),
        lines(
            "Time to the first byte",
            *quantiles("switchhook_file_first_byte_seconds"),
            unit="s",
            about="From a request's arrival to its first byte of audio: the storage's time.",
        ),
    ]
