"""A dispatcher as operators have it: a process of its own, started by the command line, with a receiver and a token."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from tests.deadline import eventually
from tests.integration.commands.command import switchhook
from tests.integration.commands.test_processes import logged, started, until_ready
from tests.integration.dispatcher.harness import publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from switchhook.events import Event
    from tests.integration.commands.command import Answer
    from tests.receiver import WebhookReceiver

TOKEN = "a-token-of-an-operator"

CONFIGURATION = """
data_dir = "var"
[admin]
listen = "127.0.0.1:0"
token_file = "token"
[database]
url = "{database}"
[dispatcher]
listen = "unix:{folder}/events.sock"
[dispatcher.deadlines]
ringing = "never"
started = "never"
"""
ENDPOINT = """
[[endpoint]]
name = "{name}"
url = "{url}"
format = "post"
retry_schedule = []
allow_private = ["127.0.0.0/8"]
"""


@dataclass(slots=True)
class Office:
    """The process while it runs."""

    folder: Path
    url: str

    async def command(self, *arguments: str, code: int = 0) -> Answer:
        """Run a command against it; it must end with this exit code."""
        answer = await asyncio.to_thread(
            switchhook, self.folder, *arguments, "--url", self.url, "--config", str(self.folder / "switchhook.toml")
        )
        assert answer.code == code, answer
        return answer

    async def json(self, *arguments: str) -> Any:
        """What the command prints as JSON."""
        return orjson.loads((await self.command(*arguments, "--json")).out)

    async def publish(self, *events: Event) -> None:
        """Hand events over, as a monitor does."""
        await publish(f"unix:{self.folder}/events.sock", events)

    async def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        """What the API says to a request."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = None if body is None else orjson.dumps(body)
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.url}/api/v1{path}", data=data) as response,
        ):
            return response.status, await response.json()

    async def settled(self, state: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many deliveries are in the state; gives them, the newest first."""
        async with asyncio.timeout(20):
            while True:
                found: list[dict[str, Any]] = (await self.ask("GET", f"/deliveries?state={state}"))[1]["deliveries"]
                if len(found) == count:
                    return found
                await asyncio.sleep(0.05)


@asynccontextmanager
async def office(
    folder: Path, endpoints: dict[str, WebhookReceiver], *, token: str | None = TOKEN, database: str = "sqlite:"
) -> AsyncIterator[Office]:
    """The process, ready, with these endpoints; without a token the admin API is off."""
    (folder / "token").write_text(f"{token or TOKEN}\n")
    text = CONFIGURATION.format(folder=folder, database=database)
    if token is None:
        text = text.replace('token_file = "token"\n', "")
    tables = [ENDPOINT.format(name=name, url=receiver.url) for name, receiver in endpoints.items()]
    (folder / "switchhook.toml").write_text(text + "".join(tables))
    async with started(folder, "run", "dispatcher") as process:
        url = f"http://{(await logged(process, 'admin.listening'))['address']}"
        draining = asyncio.create_task(_drain(process.stderr))
        try:
            await until_ready(f"{url}/readyz")
            yield Office(folder, url)
        finally:
            process.terminate()
            await process.wait()
            await draining


async def received(receiver: WebhookReceiver, count: int) -> Sequence[str]:
    """Wait for so many requests; gives their ids."""
    await eventually(lambda: len(receiver.ids) >= count, 20, f"{count} webhooks did not come")
    return receiver.ids


async def _drain(stream: asyncio.StreamReader | None) -> None:
    """Read the log, so that the process does not wait for us."""
    assert stream is not None
    async for _ in stream:
        pass
