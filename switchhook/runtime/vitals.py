"""What is true of a whole process: its version, event loop, readiness, disks and certificates.

Everything that might take a while (a disk that hangs, a file on a network) is looked at by a thread, now and then; a
scrape reads what was found last.
"""

from __future__ import annotations

import asyncio
import os
import platform
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

import switchhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from switchhook.runtime.health import Health
    from switchhook.settings import Settings

_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LAG_EVERY = 0.25  # seconds; a loop that is held for less is seen as often as it is held
_LOOK_EVERY = 15.0  # seconds


class Place(StrEnum):
    """A folder whose disk may fill: that of the databases, and that of the MP3 files."""

    DATA = "data"
    STORAGE = "storage"


class Certificate(StrEnum):
    """A certificate that this process shows or trusts: `[rpc] tls_cert`, `[rpc] tls_ca`, `[fileserver] tls_cert`."""

    RPC = "rpc"
    RPC_CA = "rpc_ca"
    FILESERVER = "fileserver"


def process_registry() -> CollectorRegistry:
    """The one registry of a process, with what does not change while it runs, and what the kernel counts."""
    registry = CollectorRegistry()
    build = Gauge(
        "switchhook_build_info", "Version of this process; always 1.", ["version", "python"], registry=registry
    )
    build.labels(version=switchhook.__version__, python=platform.python_version()).set(1)
    ProcessCollector(registry=registry)
    return registry


class Vitals:
    """The rest; `watched` keeps it up to date."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        services: Iterable[str],
        health: Health,
        places: Mapping[Place, Path],
        certificates: Mapping[Certificate, Path],
    ) -> None:
        self._places = places
        self._certificates = certificates
        self._lag = Histogram(
            "switchhook_event_loop_lag_seconds",
            "How late the event loop was for what it had to do, sampled four times a second.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self._free = Gauge(
            "switchhook_disk_free_bytes", "Room left for this process on a disk.", ["place"], registry=registry
        )
        self._size = Gauge("switchhook_disk_size_bytes", "Size of that disk.", ["place"], registry=registry)
        self._expiry = Gauge(
            "switchhook_certificate_expiry_timestamp_seconds",
            "When the first certificate of a file runs out; 0 when the file cannot be read.",
            ["certificate"],
            registry=registry,
        )
        ready = Gauge("switchhook_service_ready", "1 while the service can serve.", ["service"], registry=registry)
        problems = Gauge(
            "switchhook_service_problems",
            "What a service complains of in `/readyz`; it may serve all the same.",
            ["service"],
            registry=registry,
        )
        for place in places:
            self._free.labels(place)
            self._size.labels(place)
        for certificate in certificates:
            self._expiry.labels(certificate)
        for service in services:
            ready.labels(service).set_function(partial(_ready, health, service))
            problems.labels(service).set_function(partial(_problems, health, service))

    @classmethod
    def from_settings(
        cls, settings: Settings, registry: CollectorRegistry, *, services: Iterable[str], health: Health
    ) -> Vitals:
        """Of a process with these services."""
        places = {Place.DATA: settings.data_dir}
        if settings.storage.url.startswith("file:"):
            places[Place.STORAGE] = settings.storage_root
        configured = {
            Certificate.RPC: settings.rpc.tls_cert,
            Certificate.RPC_CA: settings.rpc.tls_ca,
            Certificate.FILESERVER: settings.fileserver.tls_cert,
        }
        certificates = {name: path for name, path in configured.items() if path is not None}
        return cls(registry, services=services, health=health, places=places, certificates=certificates)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Looks as long as the context lasts, and once before it begins."""
        await asyncio.to_thread(self._look)
        tasks = [asyncio.create_task(part) for part in (self._measure_lag(), self._keep_looking())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _measure_lag(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._lag.observe(max(loop.time() - due_at, 0.0))

    async def _keep_looking(self) -> NoReturn:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        for place, path in self._places.items():
            with suppress(OSError):
                disk = os.statvfs(_existing(path))
                self._free.labels(place).set(disk.f_bavail * disk.f_frsize)
                self._size.labels(place).set(disk.f_blocks * disk.f_frsize)
        for certificate, path in self._certificates.items():
            self._expiry.labels(certificate).set(_expiry(path))


def _existing(path: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), path)


def _expiry(path: Path) -> float:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return 0.0
    return min(each.not_valid_after_utc.timestamp() for each in chain)


def _ready(health: Health, service: str) -> float:
    report = health.report().get(service)
    return float(report is not None and report.ready)


def _problems(health: Health, service: str) -> float:
    report = health.report().get(service)
    return 0.0 if report is None else float(len(report.problems))
