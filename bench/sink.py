"""The receiver of a bench, a process of its own: answers every webhook with 204 and notes when its first byte came.

    python -m bench.sink --report FILE

Prints its port; appends a line `<epoch seconds> <body>` for every request. As little work as possible, so that what is
measured is the sender.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import BinaryIO, cast

import uvloop

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH = b"content-length:"


class Taker(asyncio.Protocol):
    """One connection; requests follow each other on it."""

    def __init__(self, report: BinaryIO) -> None:
        self._report = report
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._began = time.time()
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(_LENGTH)
            length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._report.write(b"%.6f %b\n" % (self._began, body))
            if self._transport is not None:
                self._transport.write(_ANSWER)


async def _run(path: str) -> None:
    with open(path, "wb", buffering=0) as report:  # noqa: ASYNC230, PTH123 - one write per request, read while it runs
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Taker(report), "127.0.0.1", 0)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", required=True)
    uvloop.run(_run(parser.parse_args().report))


if __name__ == "__main__":
    main()
