"""The processes themselves: processor, memory, event loop, database, gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charts.dashboards.frame import Section, framed
from charts.dashboards.panels import LOW, Limits, Query, lines, number, rows
from charts.dashboards.queries import OURS, PBX, per_second, quantile_by

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel

PROCESS = "{{component}} {{instance}}"
ROOM = "switchhook_disk_free_bytes / switchhook_disk_size_bytes"
LAG_P99 = (
    "histogram_quantile(0.99, sum by (component, instance, le) "
    "(rate(switchhook_event_loop_lag_seconds_bucket[$__rate_interval])))"
)


def services() -> Dashboard:
    """Is a process short of something."""
    return framed(
        "services",
        "Services",
        "What the processes use, and what they wait for: processor, memory, event loop, database, each other.",
        Section(title="Now", panels=_figures()),
        Section(title="Processes", panels=_processes()),
        Section(title="Database", panels=_database()),
        Section(title="gRPC", panels=_grpc()),
        Section(title="Room, certificates, versions", panels=_foundations()),
    )


def _figures() -> list[Builder[Panel]]:
    return [
        number(
            "Processes",
            Query("count(switchhook_build_info)"),
            unit="short",
            about="Processes of Switchhook that Prometheus reads.",
        ),
        number(
            "Not answering",
            Query("count(up == 0 and on (job, instance) count_over_time(switchhook_build_info[1h]) > 0) or vector(0)"),
            unit="short",
            limits=Limits(red=1),
            about="Processes that were read within the last hour and do not answer. Runbook: SwitchhookServiceDown.",
        ),
        number(
            "Restarts",
            Query(f"sum(changes(process_start_time_seconds[$__range]) {OURS}) or vector(0)"),
            unit="short",
            limits=Limits(amber=1),
            about="How often processes were started anew at the same address in the time that is shown.",
        ),
        number(
            "Event loop lag",
            Query(f"max({LAG_P99})"),
            unit="s",
            limits=Limits(amber=0.1, red=1),
            about="How late the worst process does what is due, in 1 % of cases. From 0.1 s on it lacks processor.",
        ),
        number(
            "Database refusals",
            Query('round(sum(increase(switchhook_database_errors_total{reason!="constraint"}[$__range])))'),
            unit="short",
            limits=Limits(red=1),
            about="Units that the database did not take: full, or broken. Nothing is lost while they wait.",
        ),
        number(
            "Sinks lost",
            Query("sum(switchhook_sink_connected == bool 0)"),
            unit="short",
            limits=Limits(red=1),
            about="Streams to dispatcher and recorder that are down. Runbook: SwitchhookOutboxGrows.",
        ),
    ]


def _processes() -> list[Builder[Panel]]:
    return [
        lines(
            "Processor",
            Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {OURS}", PROCESS),
            unit="percentunit",
            width=8,
            about="Share of one core. A process uses one, and ffmpeg others beside it.",
        ),
        lines(
            "Memory",
            Query(f"process_resident_memory_bytes {OURS}", PROCESS),
            unit="bytes",
            width=8,
            about="Resident memory. It follows the backlog: 8.5 MB for each 100,000 waiting deliveries.",
        ),
        lines(
            "Event loop lag, p99",
            Query(LAG_P99, PROCESS),
            unit="s",
            width=8,
            about="How late the process does what is due: beside it everything else that it does is late as well.",
        ),
        lines(
            "Complaints",
            Query("max by (component, instance, service) (switchhook_service_problems)", "{{service}} {{instance}}"),
            unit="short",
            about="What a service complains of: `problems` in its /readyz has the sentences, with what to do.",
        ),
        lines(
            "Open files",
            Query(f"process_open_fds {OURS}", PROCESS),
            unit="short",
            about="Connections and files. One that only grows will end at the limit.",
        ),
    ]


def _database() -> list[Builder[Panel]]:
    return [
        lines(
            "Commit, p95",
            quantile_by(0.95, "switchhook_database_seconds", 'kind="commit"', by="service"),
            unit="s",
            about="What a service waits until a unit is durable. SQLite: the disk; PostgreSQL: also the way there.",
        ),
        lines(
            "Query, p95",
            quantile_by(0.95, "switchhook_database_seconds", 'kind="query"', by="service"),
            unit="s",
            about="What a service waits for an answer.",
        ),
        lines(
            "Commits and queries",
            Query(per_second("switchhook_database_seconds_count", by="service, kind"), "{{service}} {{kind}}"),
            unit="ops",
            about="How many a second. Commits are grouped: one takes many events.",
        ),
        lines(
            "Refused, by reason",
            Query(
                f"{per_second('switchhook_database_errors_total', by='service, reason')} > 0", "{{service}} {{reason}}"
            ),
            unit="ops",
            about="`full`: no space. `broken`: it cannot be reached or read. `constraint`: replicas met and try again. "
            "Empty is good.",
        ),
    ]


def _grpc() -> list[Builder[Panel]]:
    return [
        lines(
            "Published, p95",
            quantile_by(0.95, "switchhook_grpc_client_seconds", by="service, sink", legend="{{service}} to {{sink}}"),
            unit="s",
            about="From sending a batch of events until the sink acknowledged it.",
        ),
        lines(
            "Accepted, p95",
            quantile_by(0.95, "switchhook_grpc_server_seconds", by="service"),
            unit="s",
            about="From taking a batch until it is durable, as the sink sees it.",
        ),
        lines(
            "Batches, by answer",
            Query(
                f"{per_second('switchhook_grpc_server_seconds_count', by='service, code')} > 0", "{{service}} {{code}}"
            ),
            unit="ops",
            about="`ok`, or gRPC's word for why a batch was not taken; it is sent again.",
        ),
        lines(
            "Oldest event that waits",
            Query("max by (service, sink) (switchhook_outbox_oldest_age_seconds)", "{{service}} to {{sink}}"),
            unit="s",
            about="How long a sink has not acknowledged the first event that waits for it.",
        ),
    ]


def _foundations() -> list[Builder[Panel]]:
    return [
        lines(
            "Room left on the disks",
            Query(f"min by (place, instance) ({ROOM})", "{{place}} {{instance}}"),
            unit="percentunit",
            about="Share of the disk of databases (`data`) and MP3 files (`storage`) that is free. "
            "Runbook: SwitchhookStorageFilling.",
        ),
        lines(
            "Time until certificates and tokens run out",
            Query("min by (certificate) (switchhook_certificate_expiry_timestamp_seconds) - time()", "{{certificate}}"),
            Query(
                f"max by (pbx) (switchhook_pbx_token_expiry_timestamp_seconds{{{PBX}}} > 0) - time()", "token {{pbx}}"
            ),
            unit="s",
            about="Certificates are replaced by you, tokens of the PBX by Switchhook, shortly before. "
            "Runbook: SwitchhookCertificateExpires, SwitchhookTokenExpires.",
        ),
        rows(
            "Versions",
            Query("switchhook_build_info"),
            hidden=("Value", "job"),
            unit="short",
            width=24,
            height=LOW + 1,
            about="Which version of Switchhook and of Python runs where.",
        ),
    ]
