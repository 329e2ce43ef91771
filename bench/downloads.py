"""Downloads: the fileserver and nginx, side by side on one core, each serving the same MP3 files to the same client.

    python -m bench.downloads [--seconds 5] [--size 500000] [--connections 16]

Prints downloads a second and by processor second of the server (the client may be the slower one), the median and 99th
percentile of the time to the first byte, and the ratio of the two. nginx is the Debian package's; without it only the
fileserver is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from switchhook.links import RecordingName, recording_path, sign_link
from switchhook.objects import Card, Objects, object_name, open_objects, write_card
from switchhook.settings import Settings
from switchhook.settings.link_key import link_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_FILES = 50
_ROUNDS = 3
_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log {folder}/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  types {{ audio/mpeg mp3; }}
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location /webapi/recording/ {{ alias {folder}/data/recordings/main/; }} }} }}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One server in one round: downloads a second and by processor second, and seconds to the first byte."""

    rate: float
    by_processor: float
    first_bytes: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--size", type=int, default=500_000, help="of a file, in bytes")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="switchhook-downloads-"))
    try:
        targets = _library(folder, options.size)
        servers = [_fileserver(folder), *([_nginx(folder)] if shutil.which("nginx") else [])]
        rounds = [_round(server, targets, options) for _ in range(_ROUNDS) for server in servers]
        _report(rounds[:: len(servers)], rounds[1 :: len(servers)] if len(servers) > 1 else [])
    finally:
        shutil.rmtree(folder)


def _library(folder: Path, size: int) -> list[str]:
    settings = Settings(data_dir=folder / "data")
    key, objects = link_key(settings), open_objects(settings)
    targets = []
    for number in range(1, _FILES + 1):
        name = RecordingName(f"260514140000_{number}", 1, 1)
        path = recording_path(name.call_id, name.link, name.index)
        asyncio.run(_store(objects, name, os.urandom(size)))
        expires_at = datetime.now(UTC) + timedelta(days=1)
        targets.append(f"{path}?{sign_link(path, pbx='main', recipient='crm', expires_at=expires_at, key=key)}")
    return targets


async def _store(objects: Objects, name: RecordingName, content: bytes) -> None:
    """As the recorder does."""
    placed = await objects.put(object_name("main", name), content)
    card = Card(
        user="202",
        number="603123456",
        did="",
        direction="inbound",
        started_at=datetime.now(UTC),
        duration=timedelta(seconds=125),
        size=placed.size,
        sha256=placed.sha256,
        channels=1,
    )
    await write_card(objects, "main", name, card)


def _fileserver(folder: Path) -> tuple[str, int, list[str]]:
    port = _free_port()
    (folder / "switchhook.toml").write_text(
        f'data_dir = "{folder}/data"\n[admin]\nlisten = "127.0.0.1:0"\n'
        f'[fileserver]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"\n'
    )
    command = [sys.executable, "-m", "services", "--config", str(folder / "switchhook.toml"), "run", "fileserver"]
    return "fileserver", port, command


def _nginx(folder: Path) -> tuple[str, int, list[str]]:
    port = _free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
    return "nginx", port, ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _round(server: tuple[str, int, list[str]], targets: list[str], options: argparse.Namespace) -> Measured:
    _, port, command = server
    with _running(command, port) as pid:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        arguments = (port, targets, options.seconds, options.connections, sender)
        client = multiprocessing.get_context("spawn").Process(target=_client, args=arguments)
        client.start()
        before = _processor_seconds(pid)
        count, rate, first_bytes = receiver.recv()
        used = _processor_seconds(pid) - before
        client.join()
    return Measured(rate, count / used, first_bytes)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    """The server on core 0, while the context is open; gives its process id."""
    with subprocess.Popen(
        ["taskset", "-c", "0", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _client(port: int, targets: list[str], seconds: float, connections: int, sender: Connection) -> None:
    """On the last core: raw sockets, so that the client costs as little as it can."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sender.send(asyncio.run(_load(port, targets, seconds, connections)))


async def _load(port: int, targets: list[str], seconds: float, connections: int) -> tuple[int, float, list[float]]:
    """How many downloads, how many a second, and the seconds to each first byte."""
    first_bytes: list[float] = []
    count = 0
    ends_at = time.perf_counter() + seconds

    async def listener(number: int) -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        while time.perf_counter() < ends_at:
            target = targets[(number + count) % len(targets)]
            writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            asked_at = time.perf_counter()
            head = await reader.readuntil(b"\r\n\r\n")
            first_bytes.append(time.perf_counter() - asked_at)
            assert head.startswith(b"HTTP/1.1 200"), head
            left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            while left:
                left -= len(await reader.read(min(left, 1 << 18)))
            count += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(listener(number) for number in range(connections)))
    return count, count / (time.perf_counter() - began), first_bytes


def _report(fileserver: list[Measured], nginx: list[Measured]) -> None:
    for name, rounds in (("fileserver", fileserver), ("nginx", nginx)):
        if not rounds:
            print(f"{name}: is not installed")
            continue
        first_bytes = sorted(one for measured in rounds for one in measured.first_bytes)
        rate = statistics.median(measured.rate for measured in rounds)
        p50, p99 = (first_bytes[int(len(first_bytes) * share)] * 1000 for share in (0.5, 0.99))
        by_processor = statistics.median(measured.by_processor for measured in rounds)
        costs = f"{rate:,.0f} downloads/s, {by_processor:,.0f} by processor second"
        print(f"{name}: {costs}; first byte p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    if nginx:
        pairs = list(zip(fileserver, nginx, strict=True))
        ratio = statistics.median(one.by_processor / other.by_processor for one, other in pairs)
        print(f"ratio by processor second: {ratio:.0%} of nginx (aim 40 %)")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
