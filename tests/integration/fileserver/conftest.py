"""A folder of recordings, and the fileserver over it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from services.fileserver.service import Fileserver, Limits
from switchhook.links import RecordingName, recording_path, sign_link
from switchhook.objects import Card, Gone, object_name, open_objects, write_card
from switchhook.runtime.health import Health
from switchhook.settings import FileserverSettings, PbxSettings, Settings, StorageSettings
from switchhook.settings.link_key import link_key
from switchhook.telemetry.tracing import OFF, Tracing
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pydantic import SecretStr

    from switchhook.objects import GoneReason

NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
PATH = recording_path("260514140000_46", 1, 1)
AUDIO = bytes(range(256)) * 4096
PBX = (PbxSettings(name="main", url="http://127.0.0.1:9", client_id="x", timezone="Europe/Prague"),)


@dataclass
class Library:
    """A data directory with one recording, and the fileserver over it."""

    data_dir: Path
    now: datetime = NOW
    storage: StorageSettings = field(default_factory=StorageSettings)
    secret: SecretStr | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def settings(self, **section: Any) -> Settings:
        return Settings(
            data_dir=self.data_dir,
            storage=self.storage,
            pbx=PBX,
            fileserver=FileserverSettings(**{"listen": "127.0.0.1:0", "link_secret": self.secret, **section}),
        )

    def link(self, path: str = PATH, *, pbx: str = "main", recipient: str = "crm", days: float = 90) -> str:
        expires_at = self.now + timedelta(days=days)
        query = sign_link(path, pbx=pbx, recipient=recipient, expires_at=expires_at, key=link_key(self.settings()))
        return f"{path}?{query}"

    async def put(self, path: str = PATH, content: bytes = AUDIO, **card: Any) -> str:
        """Stores a recording as the recorder does; gives its SHA-256."""
        name = RecordingName.parse(path.rpartition("/")[2])
        assert name is not None
        objects = open_objects(self.settings())
        placed = await objects.put(object_name("main", name), content)
        facts = {"user": "202", "number": "603123456", "did": "DID-1", "direction": "inbound", "channels": 1}
        known = {"started_at": NOW, "duration": timedelta(seconds=83), "size": placed.size, "sha256": placed.sha256}
        await write_card(objects, "main", name, Card(**{**facts, **known, **card}))
        return placed.sha256

    async def remove(self, reason: GoneReason, path: str = PATH) -> None:
        """Deletes a recording as the recorder does."""
        name = RecordingName.parse(path.rpartition("/")[2])
        assert name is not None
        objects = open_objects(self.settings())
        await write_card(objects, "main", name, Gone(at=self.now, reason=reason))
        await objects.delete(object_name("main", name))

    @asynccontextmanager
    async def serving(self, limits: Limits | None = None, tracing: Tracing = OFF, **section: Any) -> AsyncIterator[int]:
        """The service runs while the context is open; gives its port."""
        settings = self.settings(**section)
        server = Fileserver.from_settings(
            settings, registry=self.registry, clock=lambda: self.now, limits=limits, tracing=tracing
        )
        health = Health().service("fileserver")
        running = asyncio.create_task(server.run(health))
        try:
            await eventually(lambda: running.done() or health.report().ready)
            if not running.done():
                yield int(server.address.rpartition(":")[2])
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def counted(self, status: int) -> float:
        return self.registry.get_sample_value("switchhook_file_requests_total", {"status": str(status)}) or 0.0


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "recordings" / "main"
    folder.mkdir(parents=True)
    (folder / PATH.rpartition("/")[2]).write_bytes(AUDIO)
    return Library(tmp_path)
