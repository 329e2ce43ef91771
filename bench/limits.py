"""What this machine can do at best, measured beside the product: the yardstick of its figures."""

from __future__ import annotations

import os
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TIMES = 200


def fsync_milliseconds(folder: Path) -> float:
    """Median time to append 4 KiB to a file and have it on the disk."""
    with (folder / "fsync").open("wb", buffering=0) as file:

        def append() -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        return _median(append)


def loopback_milliseconds() -> float:
    """Median time of a request and its answer over a connection that is open, without any HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with socket.create_connection(server.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask() -> None:
                client.sendall(bytes(300))
                client.recv(4096)

            return _median(ask)


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while got := connection.recv(4096):
            connection.sendall(got[:30])


def _median(work: Callable[[], None]) -> float:
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
