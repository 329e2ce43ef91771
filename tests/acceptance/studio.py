"""Runs the product over PBXs that record, kills its recorder, and collects what was told, what plays, what is left."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from switchhook.objects import open_objects
from switchhook.settings import Settings, StorageSettings
from tests.acceptance.listening import heard, number_of
from tests.acceptance.product import Product
from tests.acceptance.striking import Ambush, Moment
from tests.acceptance.takes import Recorded, Take, take_on
from tests.deadline import eventually
from tests.receiver import WebhookReceiver
from tests.relay import Relay, relay_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.receiver import Webhook
    from tests.s3_server import S3Server

ENDPOINTS = {"crm": "post", "archive": "standard"}  # with their formats
STRUCK = "killed"
_REST = "monitor+dispatcher+fileserver"
_WAIT = 10  # seconds for a recording
_TOLD = 90.0  # seconds until all is told
_STRIKE = 6.0  # seconds in which the recorder is at work on a call that is over
_STRIKES = 10
_LIMIT = 200.0  # seconds for it all: whoever waits longer is shown where


@dataclass(frozen=True, slots=True)
class Setup:
    """Where recordings come from (`xapi`, `folder`), and where they are kept (`s3`: an encrypted bucket; `folder`)."""

    source: str
    storage: str


@dataclass(slots=True, kw_only=True)
class Session:
    """What came of a run. `told`: webhooks by endpoint, in order; `sounds`: samples by address, signature and all."""

    takes: dict[str, Recorded]
    struck: list[Moment] = field(default_factory=list)
    told: dict[str, list[Webhook]] = field(default_factory=dict)
    sounds: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)  # SHA-256 by name, empty for what is no MP3
    left_over: list[str] = field(default_factory=list)  # what a storage has that is no object
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    def of(self, endpoint: str, name: str) -> list[Webhook]:
        """What an endpoint was told of a take, in order."""
        return [one for one in self.told[endpoint] if self.takes[name].play_of(number_of(one)) is not None]


class Studio:
    """One run."""

    def __init__(self, setup: Setup, folder: Path, s3_server: S3Server) -> None:
        self._setup = setup
        self._folder = folder
        self._s3_server = s3_server
        self._data_dir = folder / "data"
        self._storage = _storage(setup, folder, s3_server)

    async def session(self, takes: Mapping[str, Take], struck: Take) -> Session:
        """Plays all takes at once, and the `struck` one anew for each moment in which the recorder is killed."""
        async with asyncio.timeout(_LIMIT), AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(WebhookReceiver())
            recorded = [self._take_on(name, take, place) for place, (name, take) in enumerate(takes.items(), start=2)]
            target = self._take_on(STRUCK, struck, 1)
            session = Session(takes={one.name: one for one in (*recorded, target)})
            for one in session.takes.values():
                await stack.enter_async_context(one.pbx)
            calls = await self._relay(stack, target.pbx.url, is_wanted=self._setup.source == "xapi")
            objects = await self._relay(stack, self._s3_server.url, is_wanted=self._setup.storage == "s3")
            ambush = Ambush(self._data_dir, calls=calls, objects=objects)
            product = await stack.enter_async_context(self._product(session, receiver, ambush, calls, objects))
            for one in session.takes.values():
                one.play_all()
            for moment in Moment:
                await self._strike(product, ambush, target, moment)
                session.struck.append(moment)
                target.play_all()  # there is something for the next one
                await product.start("recorder")
            for one in session.takes.values():
                await one.over()
            owed = {
                to: sum(one.owed(ENDPOINTS[to], self._setup.source) for one in session.takes.values())
                for to in ENDPOINTS
            }
            with suppress(AssertionError):  # each take tells what it lacks
                await eventually(lambda: all(len(_of(receiver, to)) >= owed[to] for to in ENDPOINTS), within=_TOLD)
            session.told = {endpoint: _of(receiver, endpoint) for endpoint in ENDPOINTS}
            session.sounds = await heard([one for told in session.told.values() for one in told])
        session.log = product.logged("recorder")
        await self._look_around(session)
        return session

    def _take_on(self, name: str, take: Take, place: int) -> Recorded:
        folder = self._folder / "pbx" / name if self._setup.source == "folder" else None
        if folder is not None:
            folder.mkdir(parents=True)
        return take_on(name, take, place=place, folder=folder)

    @staticmethod
    async def _relay(stack: AsyncExitStack, url: str, *, is_wanted: bool) -> Relay | None:
        return await stack.enter_async_context(relay_to(url)) if is_wanted else None

    def _product(
        self, session: Session, receiver: WebhookReceiver, ambush: Ambush, calls: Relay | None, objects: Relay | None
    ) -> Product:
        urls = {name: one.pbx.url for name, one in session.takes.items()} | ({STRUCK: calls.url} if calls else {})
        tables = "".join(_PBX.format(name=name, url=url) for name, url in urls.items())
        for endpoint, kind in ENDPOINTS.items():
            tables += _ENDPOINT.format(name=endpoint, url=f"{receiver.url}/{endpoint}", format=kind)
        environ = {"SWITCHHOOK_STORAGE__URL": self._storage.url}
        if objects is not None:
            environ |= {
                "SWITCHHOOK_STORAGE__ENDPOINT": self._s3_server.url,
                "SWITCHHOOK_STORAGE__ACCESS_KEY": "test",
                "SWITCHHOOK_STORAGE__SECRET_KEY": "test",
                "SWITCHHOOK_STORAGE__ENCRYPTION_KEYS": f'{{ "2026" = "{self._folder / "key"}" }}',
            }
        recorder = {
            "SWITCHHOOK_RECORDER__SOURCE": self._setup.source,
            "SWITCHHOOK_RECORDER__WAIT_FOR_RECORDING": f"{_WAIT}s",
            "SWITCHHOOK_RECORDER__CONCURRENCY": "1",
            "SWITCHHOOK_RECORDER__FFMPEG": str(ambush.ffmpeg),
            **({"SWITCHHOOK_STORAGE__ENDPOINT": objects.url} if objects else {}),
            **({"SWITCHHOOK_RECORDER__FOLDER": str(self._folder / "pbx")} if not calls else {}),
        }
        return Product(
            self._folder,
            tables,
            split=True,
            names=(_REST, "recorder"),
            environ=environ,
            environs={"recorder": recorder},
        )

    @staticmethod
    async def _strike(product: Product, ambush: Ambush, target: Recorded, moment: Moment) -> None:
        # Never is a call under way while the way to its PBX is slow: the monitor takes that way too.
        await target.over()
        for _ in range(_STRIKES):
            if await ambush.caught(product.pids["recorder"], moment, within=_STRIKE):
                return await product.kill("recorder")
            target.play_all()
            await target.over()
        raise AssertionError(f"the recorder was never seen in the moment of {moment}\n{product.log('recorder')}")

    async def _look_around(self, session: Session) -> None:
        """What is in the storage and in the database once all have stopped."""
        objects = open_objects(Settings(data_dir=self._data_dir, storage=self._storage))
        async for stored in objects.list():
            placed = await objects.measured(stored.name) if stored.name.endswith(".mp3") else None
            session.stored[stored.name] = placed.sha256 if placed else ""
        if objects.root is not None:
            files = {str(path.relative_to(objects.root)) for path in objects.root.rglob("*") if path.is_file()}
            session.left_over += files - session.stored.keys()
        else:
            session.left_over += await asyncio.to_thread(self._s3_server.unfinished, urlsplit(self._storage.url).netloc)
        session.left_over += [path.name for path in (self._data_dir / "recorder-work").iterdir()]
        with sqlite3.connect(self._data_dir / "recorder.sqlite3") as database:
            session.rows = {name: database.execute(question).fetchall() for name, question in _QUESTIONS.items()}


def _storage(setup: Setup, folder: Path, s3_server: S3Server) -> StorageSettings:
    if setup.storage == "folder":
        return StorageSettings(url="file:")
    folder.mkdir(exist_ok=True)
    (folder / "key").write_text(os.urandom(32).hex())
    storage = s3_server.storage(f"accepted-{os.urandom(6).hex()}")
    return storage.model_copy(update={"encryption_keys": {"2026": folder / "key"}, "secret_key": SecretStr("test")})


def _of(receiver: WebhookReceiver, endpoint: str) -> list[Webhook]:
    return [one for one in receiver.webhooks if one.path.endswith(f"/{endpoint}")]


_PBX = """
[[pbx]]
name = "{name}"
url = "{url}"
client_id = "switchhook"
client_secret = "secret"
timezone = "Europe/Prague"
"""
_ENDPOINT = """
[[endpoint]]
name = "{name}"
url = "{url}"
format = "{format}"
events = ["recording"]
allow_private = ["127.0.0.0/8"]
"""
_QUESTIONS = {
    "files": "SELECT pbx || '/' || call_id || '-' || link || '-' || number || '.mp3', sha256 FROM files",
    "uploads": "SELECT * FROM uploads",
    "untold": "SELECT pbx, call_id, link FROM jobs WHERE told_at IS NULL",
    "strays": "SELECT pbx, id FROM strays",
}
