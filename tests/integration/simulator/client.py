"""A client of the PBX for tests: a token, a websocket that collects frames, and requests of every kind."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simulator import Simulator

CALL_LOG = (
    "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(periodFrom={begin},periodTo={end},sourceType=0,sourceFilter='',"
    "destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',"
    "callTimeFilterTo='0:00:0',hidePcalls=true)"
)
WHOLE_LOG = CALL_LOG.format(begin="2020-01-01T00:00:00.000Z", end="2100-01-01T00:00:00.000Z")


@dataclass(frozen=True)
class Reply:
    status: int
    raw: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.raw)


@dataclass
class PbxClient:
    pbx: Simulator
    session: aiohttp.ClientSession
    token: str = ""
    frames: list[dict[str, Any]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def login(self, secret: str = "secret") -> Reply:
        form = {"client_id": "switchhook", "client_secret": secret, "grant_type": "client_credentials"}
        async with self.session.post(self.pbx.url + "/connect/token", data=form) as response:
            reply = Reply(response.status, await response.read(), dict(response.headers))
        if reply.status == 200:
            self.token = reply.json["access_token"]
        return reply

    async def ask(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Reply:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        content = None if body is None else orjson.dumps(body)
        url = self.pbx.url + path
        async with self.session.request(method, url, data=content, headers=headers) as response:
            return Reply(response.status, await response.read(), dict(response.headers))

    async def get(self, path: str) -> Reply:
        return await self.ask("GET", path)

    async def post(self, path: str, body: object = None) -> Reply:
        return await self.ask("POST", path, body)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A websocket whose frames are collected; `closed` is set when the PBX closes it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.ws_connect(self.pbx.url + "/callcontrol/ws", headers=headers) as socket:
            reader = asyncio.create_task(self._read(socket))
            try:
                yield socket
            finally:
                await socket.close()
                await reader

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.frames.append(orjson.loads(message.data))
        self.closed.set()

    def events(self) -> list[tuple[str, str]]:
        """("U" or "R", entity without /callcontrol) of the frames so far."""
        kinds = {0: "U", 1: "R"}
        return [
            (kinds[frame["event"]["event_type"]], frame["event"]["entity"].removeprefix("/callcontrol/"))
            for frame in self.frames
            if frame["event"]["event_type"] in kinds
        ]

    def responses(self) -> list[dict[str, Any]]:
        return [frame["event"]["attached_data"] for frame in self.frames if frame["event"]["event_type"] == 4]


@asynccontextmanager
async def connected(pbx: Simulator) -> AsyncIterator[PbxClient]:
    """A client with a token."""
    async with aiohttp.ClientSession() as session:
        client = PbxClient(pbx, session)
        await client.login()
        yield client


async def eventually(fact: Callable[[], bool], *, within: float = 10.0) -> None:
    """Wait for a fact; AssertionError when it does not come about in time."""
    deadline = time.monotonic() + within
    while not fact():
        assert time.monotonic() < deadline, "the fact did not come about"
        await asyncio.sleep(0.01)


def journal(pbx: Simulator) -> list[str]:
    """The frames that were sent, as "U 202 Ringing" and "R 202"; calls are told by order of appearance."""
    lines = []
    for frame in pbx.feed.journal(0):
        if frame["event_type"] == 0:
            lines.append(f"U {frame['dn']} {frame['status']}")
        else:
            lines.append(f"R {frame['dn']}")
    return lines
