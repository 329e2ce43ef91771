"""Commands that serve until they are told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest

from tests.integration.commands.command import command_line, environment

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator

PATIENCE = 90.0  # seconds, on a busy machine
STOPPED, FAILED = 0, 1

CONFIGURATION = """
data_dir = "var"
[admin]
listen = "127.0.0.1:0"
[dispatcher]
listen = "127.0.0.1:0"
[fileserver]
listen = "127.0.0.1:0"
"""


@asynccontextmanager
async def started(folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """The command as a process of its own; killed at the end when it still lives."""
    process = await asyncio.create_subprocess_exec(
        *command_line(*arguments),
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def logged(process: Process, event: str) -> dict[str, object]:
    """The next log line of this event."""
    assert process.stderr is not None
    async for line in process.stderr:
        facts: dict[str, object] = orjson.loads(line)
        if facts["event"] == event:
            return facts
    raise AssertionError(f"ended without {event}")


async def seen(process: Process, *words: str) -> list[str]:
    """The lines of stdout up to the moment when each of the words has been on one."""
    assert process.stdout is not None
    lines: list[str] = []
    waiting = set(words)
    async for line in process.stdout:
        lines.append(line.decode().rstrip("\n"))
        waiting -= {word for word in waiting if word in lines[-1]}
        if not waiting:
            return lines
    raise AssertionError(f"ended without {waiting}: {lines}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_serves_until_a_signal_and_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "switchhook.toml").write_text(CONFIGURATION)
    async with started(tmp_path, "run", "dispatcher", "fileserver") as process, aiohttp.ClientSession() as client:
        address = (await logged(process, "admin.listening"))["address"]
        await logged(process, "fileserver.listening")
        async with client.get(f"http://{address}/metrics") as response:
            assert "switchhook_build_info{" in await response.text()
        process.send_signal(number)
        assert await process.wait() == STOPPED


async def test_health_is_what_the_process_says_of_itself(tmp_path: Path) -> None:
    (tmp_path / "switchhook.toml").write_text(CONFIGURATION)
    async with started(tmp_path, "run", "dispatcher", "fileserver") as process:
        url = f"http://{(await logged(process, 'admin.listening'))['address']}"
        await until_ready(f"{url}/readyz")
        async with started(tmp_path, "health", "--url", url) as command:
            said, _ = await command.communicate()
            assert sorted(said.split(b"\n")[:-1]) == [b"dispatcher: ready", b"fileserver: ready"]
            assert command.returncode == STOPPED
        process.terminate()
        await process.communicate()
    async with started(tmp_path, "health", "--url", url) as command:
        said, _ = await command.communicate()
        assert said.startswith(f"{url}: nothing answers there".encode())
        assert command.returncode == FAILED


async def test_receive_prints_webhooks_and_tries_links_where_it_is_told(tmp_path: Path) -> None:
    body = {"Event": "recording", "FileUrls": ["http://elsewhere.invalid/a.mp3?x=1"]}
    async with started(tmp_path, "receive", "--listen", "127.0.0.1:0", "--links-at", "http://127.0.0.1:9") as process:
        (line,) = await seen(process, "receiving at")
        async with aiohttp.ClientSession() as client, client.post(line.split()[2], json=body) as response:
            assert response.status == 200
        lines = await seen(process, "127.0.0.1:9")
        assert lines[0].endswith("recording ready (1 file)")
        process.terminate()
        assert await process.wait() == STOPPED


async def test_a_second_process_on_the_same_data_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "switchhook.toml").write_text(CONFIGURATION)
    async with started(tmp_path, "run", "dispatcher") as first:
        address = (await logged(first, "admin.listening"))["address"]
        await until_ready(f"http://{address}/readyz")
        async with started(tmp_path, "run", "dispatcher") as second:
            _, errors = await second.communicate()
            assert second.returncode == FAILED
            assert b"another process runs this service" in errors.splitlines()[-1]
        first.terminate()
        assert await first.wait() == STOPPED


async def until_ready(url: str) -> None:
    """Wait until every service of the process can serve."""
    async with aiohttp.ClientSession() as client:
        while True:
            async with client.get(url) as response:
                if response.ok:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture
def demo_ports() -> Iterator[None]:
    """One demonstration at a time on this machine: each looks for free ports before it listens."""
    with (Path(tempfile.gettempdir()) / "switchhook-test-demo.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("demo_ports")
async def test_demo_shows_webhooks_and_recordings_that_play(tmp_path: Path) -> None:
    async with started(tmp_path, "demo", "--calls-per-second", "1", "--data-dir", "data") as process:
        lines = await seen(process, "post  ringing", "get   ringing", "post  plays", "get   plays")
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert process.returncode == STOPPED, errors.decode()
    assert lines[0].startswith("Switchhook demonstration")
    assert not any("does not play" in line for line in lines)
    assert "recording links played" in rest.decode().splitlines()[-1]
    assert os.listdir(tmp_path) == ["data"]  # noqa: PTH208 - a name is enough
    assert (tmp_path / "data" / "switchhook.log").stat().st_size > 0


@pytest.mark.usefixtures("demo_ports")
async def test_demo_stops_by_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with started(tmp_path, "demo", "--seconds", "2", "--calls-per-second", "5", "--format", "get") as process:
        output, errors = await process.communicate()
    assert process.returncode == STOPPED, errors.decode()
    lines = output.decode().splitlines()
    assert any("get   ringing" in line for line in lines)
    assert not any("post  " in line for line in lines)
    (log_line,) = (line for line in lines if "data, log" in line)
    assert not (tmp_path / log_line.split()[-1]).parent.exists()
