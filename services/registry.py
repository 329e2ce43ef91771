"""Which services there are, and how those of one process find each other.

Services are imported when they are asked for, so that a process loads only what it runs. Embedded services still speak
gRPC: over unix sockets in `data_dir` when nobody outside needs to reach them, else over the addresses they listen on.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from switchhook.errors import ConfigError
from switchhook.runtime.clock import utc_now
from switchhook.settings import parse_tcp
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.resources.abc import Traversable

    from prometheus_client import CollectorRegistry

    from switchhook.runtime.clock import Clock
    from switchhook.runtime.service import Service
    from switchhook.settings import Settings
    from switchhook.telemetry.tracing import Tracing

_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes
_EVERY_INTERFACE = {None, "0.0.0.0", "::"}  # noqa: S104 - compared with, never bound


class ServiceName(StrEnum):
    """The four services, in the order in which an event passes them."""

    MONITOR = "monitor"
    DISPATCHER = "dispatcher"
    RECORDER = "recorder"
    FILESERVER = "fileserver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The migrations of a service's own database."""

    migrations: Traversable
    has_outbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where the services of one process listen for events, and where they publish them."""

    dispatcher_listen: str
    recorder_listen: str
    monitor_sinks: tuple[str, ...]
    recorder_sinks: tuple[str, ...]

    def applied(self, settings: Settings) -> Settings:
        """The settings with these addresses in them."""
        monitor = settings.monitor.model_copy(update={"sinks": self.monitor_sinks})
        dispatcher = settings.dispatcher.model_copy(update={"listen": self.dispatcher_listen})
        recorder = settings.recorder.model_copy(update={"listen": self.recorder_listen, "sinks": self.recorder_sinks})
        return settings.model_copy(update={"monitor": monitor, "dispatcher": dispatcher, "recorder": recorder})


def build_service(
    name: ServiceName,
    settings: Settings,
    *,
    registry: CollectorRegistry,
    clock: Clock = utc_now,
    tracing: Tracing = OFF,
) -> Service:
    """The service, built but not running; `settings` are already wired."""
    match name:
        case ServiceName.MONITOR:
            from services.monitor.service import Monitor

            return Monitor.from_settings(settings, registry=registry, clock=clock, tracing=tracing)
        case ServiceName.DISPATCHER:
            from services.dispatcher.service import Dispatcher

            return Dispatcher.from_settings(settings, registry=registry, clock=clock, tracing=tracing)
        case ServiceName.RECORDER:
            from services.recorder.service import Recorder

            return Recorder.from_settings(settings, registry=registry, clock=clock, tracing=tracing)
        case ServiceName.FILESERVER:
            from services.fileserver.service import Fileserver

            return Fileserver.from_settings(settings, registry=registry, clock=clock, tracing=tracing)
        case _:
            assert_never(name)


def schema_of(name: ServiceName) -> Schema:
    """The service's database schema."""
    migrations = files(f"services.{name}").joinpath("migrations")
    return Schema(migrations=migrations, has_outbox=name in {ServiceName.MONITOR, ServiceName.RECORDER})


def wire(settings: Settings, names: Collection[ServiceName]) -> Wiring:
    """How these services of one process reach each other, and the others.

    Raises ConfigError when a service would publish to nobody, or has nobody to watch.
    """
    # A service without configured sinks publishes to those of this process.
    monitor_is_local = ServiceName.MONITOR in names and not settings.monitor.sinks
    recorder_is_local = ServiceName.RECORDER in names and not settings.recorder.sinks
    listen_by_name = {
        ServiceName.DISPATCHER: _address(
            settings, ServiceName.DISPATCHER, names, is_private=monitor_is_local and recorder_is_local
        ),
        ServiceName.RECORDER: _address(settings, ServiceName.RECORDER, names, is_private=monitor_is_local),
    }

    def local(*wanted: ServiceName) -> tuple[str, ...]:
        return tuple(_reached_at(listen_by_name[name], name) for name in wanted if name in names)

    wiring = Wiring(
        dispatcher_listen=listen_by_name[ServiceName.DISPATCHER],
        recorder_listen=listen_by_name[ServiceName.RECORDER],
        monitor_sinks=local(*listen_by_name) if monitor_is_local else settings.monitor.sinks,
        recorder_sinks=local(ServiceName.DISPATCHER) if recorder_is_local else settings.recorder.sinks,
    )
    _demand_complete(wiring, settings, names)
    return wiring


def _demand_complete(wiring: Wiring, settings: Settings, names: Collection[ServiceName]) -> None:
    problems = []
    if ServiceName.MONITOR in names and not settings.pbx:
        problems.append("pbx: there is none to watch: add [[pbx]] with name, url, client_id and client_secret")
    if ServiceName.MONITOR in names and not wiring.monitor_sinks:
        problems.append('monitor.sinks: name the other services, such as ["dispatcher:50051", "recorder:50052"]')
    if ServiceName.RECORDER in names and not wiring.recorder_sinks:
        problems.append('recorder.sinks: name the dispatcher, such as ["dispatcher:50051"]')
    if problems:
        raise ConfigError(problems)


def _address(settings: Settings, name: ServiceName, names: Collection[ServiceName], *, is_private: bool) -> str:
    section = settings.dispatcher if name is ServiceName.DISPATCHER else settings.recorder
    if name not in names or not is_private or section.listen.startswith("unix:"):
        return section.listen
    return f"unix:{socket_path(settings.data_dir, name)}"


def _reached_at(listen: str, name: ServiceName) -> str:
    """The address under which this machine itself reaches a listener."""
    if listen.startswith("unix:"):
        return listen
    address = parse_tcp(listen)
    if address.port == 0:
        raise ConfigError((f"{name}.listen: needs a port that the other services of this process can know, not 0",))
    host = "127.0.0.1" if address.host in _EVERY_INTERFACE else address.host
    return f"[{host}]:{address.port}" if host and ":" in host else f"{host}:{address.port}"


def socket_path(data_dir: Path, name: str) -> Path:
    """`data_dir`/<name>.sock; in a private folder of the system's temporary one when that is too long for a socket."""
    path = data_dir / f"{name}.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    # The same folder at every start: an outbox remembers its sinks by address.
    digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"switchhook-{os.getuid()}-{digest}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise ConfigError((f"data_dir: its path is too long for sockets, and {folder}: {error.strerror}",)) from error
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    if not is_ours:
        raise ConfigError((f"data_dir: its path is too long for sockets, and {folder} belongs to somebody else",))
    return folder / f"{name}.sock"
