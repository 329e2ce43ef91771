"""The tables of the configuration that exist once: one model per table, and `Settings`, which holds them all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from switchhook.settings.addresses import Listen, RpcListen, Sink, WebBase
from switchhook.settings.durations import Deadline, Duration, DurationOrZero
from switchhook.settings.recordings import RecorderSettings, StorageSettings
from switchhook.settings.section import Section
from switchhook.settings.serving import FileserverSettings
from switchhook.settings.sources import EndpointSettings, EventName, PbxSettings

RETRY_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)

DEADLINES: dict[EventName, timedelta | None] = {
    "ringing": timedelta(seconds=60),
    "dialing": timedelta(seconds=60),
    "ringing_stopped": timedelta(seconds=60),
    "started": timedelta(minutes=10),
    "ended": None,
    "completed": None,
    "recording": None,
}


def _database_url(written: str) -> str:
    written = written.strip()  # a file ends with a newline
    if written == "sqlite:":
        return written
    parts = urlsplit(written)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError('must be "sqlite:" (one file per service in data_dir) or "postgresql://…"')
    try:
        is_complete = written.startswith(f"{parts.scheme}://") and bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError('must be like "postgresql://user:password@host:5432/database"')
    return written


def _at_most_an_hour(interval: timedelta) -> timedelta:
    if interval > timedelta(hours=1):
        raise ValueError("must be at most 1h")
    return interval


class DatabaseSettings(Section):
    """Where events, deliveries and recordings are kept."""

    url: Annotated[str, AfterValidator(_database_url)] = Field(
        default="sqlite:",
        description="`sqlite:`: one file per service in `data_dir`; or `postgresql://user:password@host/database`.",
    )
    url_file: Path | None = Field(default=None, description="File that holds `url`, for it has a password in it.")


class AdminSettings(Section):
    """Health and metrics of this process: `/livez`, `/readyz`, `/metrics`; and, with a token, the admin API."""

    listen: Listen = Field(default="127.0.0.1:9464", description="Address of the admin server, one per process.")
    token: SecretStr | None = Field(
        default=None,
        description="Bearer token of the admin API, which lists and replays deliveries; unset: there is no such API.",
    )
    token_file: Path | None = Field(default=None, description="File that holds `token`.")


class RpcSettings(Section):
    """Encryption between the services, for those that are not of one process: mutual TLS with all three keys."""

    tls_cert: Path | None = Field(
        default=None, description="Certificate chain (PEM) that this process shows, as server and as client."
    )
    tls_key: Path | None = Field(default=None, description="Private key (PEM) of `tls_cert`.")
    tls_ca: Path | None = Field(
        default=None,
        description="Certificate authority (PEM) of the other services; a sink's certificate has its name in it.",
    )


class MonitorSettings(Section):
    """The service that watches the PBXs."""

    sinks: tuple[Sink, ...] = Field(
        default=(), description="Where events are published; empty: the dispatcher and the recorder of this process."
    )
    active_calls_interval: Duration = Field(
        default=timedelta(seconds=1),
        description="Between looks at the PBX's active calls while a call is in a queue or IVR that is hidden from the "
        "API client; where there are such, it is looked for new calls in them half as often.",
    )
    idle_interval: Duration = Field(
        default=timedelta(seconds=15),
        description="Between snapshots of all legs, which find what the websocket did not tell; while no call lives, "
        "between looks at the PBX's active calls.",
    )
    directory_interval: Duration = Field(
        default=timedelta(minutes=10),
        description="Between readings of the PBX's extensions, queues and rules, and between questions for which the "
        "API client lacks a right.",
    )
    proof_interval: Annotated[Duration, AfterValidator(_at_most_an_hour)] = Field(
        default=timedelta(hours=1),
        description="Between comparisons of the PBX's call log with what was reported, at most `1h`; a call that was "
        "missed is reported then, and counted.",
    )
    end_grace: DurationOrZero = Field(
        default=timedelta(seconds=2),
        description="How long a call without legs may still be a transfer, when the PBX will not say.",
    )


class DispatcherSettings(Section):
    """The service that sends webhooks."""

    listen: RpcListen = Field(default="127.0.0.1:50051", description="Where events are accepted (gRPC).")
    retry_schedule: tuple[Duration, ...] = Field(
        default=RETRY_SCHEDULE, description="Delays between attempts; the first attempt is at once."
    )
    jitter: float = Field(default=0.2, ge=0, le=1, description="Share by which delays vary, so that retries spread.")
    connect_timeout: Duration = Field(default=timedelta(seconds=5), description="Longest wait for a connection.")
    timeout: Duration = Field(default=timedelta(seconds=15), description="Longest time of one attempt.")
    concurrency: int = Field(default=64, ge=1, le=10_000, description="Attempts under way at once, per endpoint.")
    log_retention: Duration = Field(
        default=timedelta(days=30), description="How long finished deliveries stay in the delivery log."
    )
    deadlines: dict[EventName, Deadline] = Field(
        default=DEADLINES,
        description="How long after its moment an event is still worth telling, `never` without end; events that are "
        "left out keep their defaults.",
    )
    operator_endpoint: str | None = Field(
        default=None,
        description="Name of the `[[endpoint]]` that is told `endpoint.paused`, `endpoint.recovered` and "
        "`delivery.dead`; unset: nobody.",
    )
    hold: Duration = Field(
        default=timedelta(minutes=10),
        description="How long an event waits for earlier events of its call that have not arrived.",
    )


class TelemetrySettings(Section):
    """Logs and traces."""

    otlp_endpoint: WebBase | None = Field(
        default=None, description="OpenTelemetry collector for traces (OTLP over gRPC); unset: no traces."
    )
    trace_share: float = Field(default=1.0, ge=0, le=1, description="Share of all calls that are traced, from 0 to 1.")
    log_format: Literal["json", "console"] = Field(
        default="json", description="`json`: one object a line. `console`: for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_numbers: bool = Field(default=False, description="Log whole phone numbers instead of their last three digits.")


class Settings(Section):
    """The whole configuration of a process."""

    data_dir: Path = Field(
        default=Path("/var/lib/switchhook"), description="SQLite files, recordings, sockets, the link key."
    )
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    admin: AdminSettings = AdminSettings()
    pbx: tuple[PbxSettings, ...] = ()
    endpoint: tuple[EndpointSettings, ...] = ()
    rpc: RpcSettings = RpcSettings()
    monitor: MonitorSettings = MonitorSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    recorder: RecorderSettings = RecorderSettings()
    fileserver: FileserverSettings = FileserverSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @property
    def storage_root(self) -> Path:
        """The folder of the MP3 files; `<storage root>/<pbx>/<name>.mp3`."""
        place = self.storage.url.removeprefix("file:")
        return Path(unquote(place.removeprefix("//"))) if place else self.data_dir / "recordings"
