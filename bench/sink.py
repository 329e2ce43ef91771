"""The receiver of a bench, a process of its own: answers every webhook with 204 and notes when its first byte came.

    python -m bench.sink --report FILE [--ids] [--hang]

Prints its port; appends a line `<epoch seconds> <body>` for every request, or with `--ids` the webhook's id instead of
its body; with `--hang` it never answers. As little work as possible, so that what is measured is the sender.
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
_ID = b"\r\nwebhook-id:"


class Taker(asyncio.Protocol):
    """One connection; requests follow each other on it."""

    def __init__(self, report: BinaryIO, *, is_by_id: bool, is_hanging: bool) -> None:
        self._report = report
        self._is_by_id = is_by_id
        self._is_hanging = is_hanging
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
            noted = _webhook_id(self._buffer[:end]) if self._is_by_id else self._buffer[end + 4 : whole]
            self._buffer = self._buffer[whole:]
            self._report.write(b"%.6f %b\n" % (self._began, noted))
            if self._transport is not None and not self._is_hanging:
                self._transport.write(_ANSWER)


def _webhook_id(head: bytes) -> bytes:
    at = head.lower().find(_ID)
    return head[at + len(_ID) :].split(b"\r\n", 1)[0].strip() if at >= 0 else b""


async def _run(options: argparse.Namespace) -> None:
    def taker() -> Taker:
        return Taker(report, is_by_id=options.ids, is_hanging=options.hang)

    with open(options.report, "wb", buffering=0) as report:  # noqa: ASYNC230, PTH123 - one write per request, read while it runs
        loop = asyncio.get_running_loop()
        server = await loop.create_server(taker, "127.0.0.1", 0)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", required=True)
    parser.add_argument("--ids", action="store_true")
    parser.add_argument("--hang", action="store_true")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
