"""The PBX of a bench, a process of its own: calls at a fixed rate, then a report of every frame and every call.

    python -m bench.pbx --rate 200 --seconds 20 --speed 4 --report FILE

Prints its address, begins at a line on standard input, and stops at the end of it. Nobody is in two calls at once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from bench.account import FIRST_EXTENSION
from simulator import Simulator, SimulatorOptions
from simulator.scenarios import SCENARIOS

if TYPE_CHECKING:
    from simulator import Play

_EXTENSIONS = 3000


class Callers:
    """Starts calls from the repertoire, each with three extensions that are in no other call."""

    def __init__(self, pbx: Simulator) -> None:
        self._pbx = pbx
        self._random = random.Random(1)
        self._free = [str(FIRST_EXTENSION + number) for number in range(_EXTENSIONS)]
        self.plays: list[Play] = []
        self.skipped = 0

    def call(self) -> None:
        """One more call, unless nobody is free."""
        if len(self._free) < 3:
            self.skipped += 1
            return
        name = self._random.choices(list(SCENARIOS), [one.weight for one in SCENARIOS.values()])[0]
        taken = [self._free.pop(self._random.randrange(len(self._free))) for _ in range(3)]
        number = f"0{self._random.randrange(100_000_000, 999_999_999)}"
        extension, colleague, third = taken
        play = self._pbx.play(name, number=number, extension=extension, colleague=colleague, members=(extension, third))
        play.call.conversation.ended.append(lambda: self._free.extend(taken))
        self.plays.append(play)


async def _run(arguments: argparse.Namespace) -> None:
    options = SimulatorOptions(extensions=_EXTENSIONS, speed=arguments.speed, codec=arguments.codec)
    async with Simulator(options) as pbx:
        sys.stdout.write(orjson.dumps({"url": pbx.url}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        callers = Callers(pbx)
        began = time.monotonic()
        for place in range(arguments.rate * arguments.seconds):
            await asyncio.sleep(max(0.0, began + place / arguments.rate - time.monotonic()))
            callers.call()
        took = time.monotonic() - began
        for play in callers.plays:
            await play
        report = {
            "took": took,
            "skipped": callers.skipped,
            "frames": pbx.feed.journal(after=0),
            "plays": [play.row() for play in callers.plays],
        }
        await asyncio.to_thread(Path(arguments.report).write_bytes, orjson.dumps(report))
        sys.stdout.write("over\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--codec", default="")
    parser.add_argument("--report", required=True)
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
