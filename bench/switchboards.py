"""The PBXs of a bench of the monitor, a process of their own: each holds its calls, as many ending as beginning.

    python -m bench.switchboards --pbxs 1 --calls 1000 --report FILE

Prints the addresses, then does what it is told, line by line: `fill` (prints `filled` once all calls live), `totals`
(prints those of all PBXs so far), `mark` (the same, and the next report begins here), `report` (writes the frames
since, and all calls). Ends with its standard input. A call lasts three minutes of real time, so for every thousand
calls 5.6 begin and 5.6 end each second; those that nobody answers are over sooner, and come on top.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

from bench.account import FIRST_EXTENSION
from bench.processes import processor_seconds
from simulator import Simulator, SimulatorOptions
from simulator.scenarios import SCENARIOS

if TYPE_CHECKING:
    from simulator import Play

CALL_SECONDS = 180.0
_MISSED = "missed"
_FILLED_A_SECOND = 500  # calls, on all PBXs together
_RING_SECONDS = 1.0
_SPARE = 0.6  # of the calls: extensions for transfers and ring groups, and such as are between two calls
_FEWEST_SPARE = 30
_CALM = 0.005  # seconds


class Switchboard:
    """One PBX and its callers. Nobody is in two calls at once."""

    def __init__(self, pbx: Simulator, calls: int, seed: int) -> None:
        self.pbx = pbx
        self.skipped = 0
        self.plays: list[Play] = []
        self._random = random.Random(seed)
        self._free = [str(FIRST_EXTENSION + number) for number in range(extensions_for(calls))]
        self._random.shuffle(self._free)

    def fill(self, left: float) -> None:
        """A call that will be somewhere in its middle when all are there, in so many seconds."""
        self._play("incoming-direct", talk=left + self._random.uniform(0.0, CALL_SECONDS))

    def call(self) -> None:
        """A call from its beginning, of a scenario that comes as often as it does in the repertoire."""
        name = self._random.choices(list(SCENARIOS), [one.weight for one in SCENARIOS.values()])[0]
        before, after = (0.5, 0.5) if "transfer" in name else (1.0, 0.0)
        self._play(name, talk=CALL_SECONDS * before, transferred_talk=CALL_SECONDS * after)

    def _play(self, name: str, *, talk: float, transferred_talk: float = 0.0) -> None:
        if len(self._free) < 3:
            self.skipped += 1
            return
        taken = [self._free.pop() for _ in range(3)]
        extension, colleague, third = taken
        play = self.pbx.play(
            name,
            number=f"0{self._random.randrange(100_000_000, 999_999_999)}",
            extension=extension,
            colleague=colleague,
            members=(extension, third),
            talk=talk,
            transferred_talk=transferred_talk,
        )
        if name == "incoming-direct":  # it needs one only
            self._free[:0] = (colleague, third)
            taken = [extension]
        play.call.conversation.ended.append(lambda: self._hang_up(taken))
        self.plays.append(play)

    def _hang_up(self, taken: list[str]) -> None:
        self._free[:0] = taken


class Switchboards:
    """All PBXs of the process."""

    def __init__(self, boards: list[Switchboard], calls: int) -> None:
        self._boards = boards
        self._calls = calls
        self._marked = [0] * len(boards)

    async def fill(self) -> None:
        """Begins all calls, a few at a time, and comes back when they talk."""
        began, total = time.monotonic(), self._calls * len(self._boards)
        for number in range(total):
            if (early := began + number / _FILLED_A_SECOND - time.monotonic()) > _CALM:
                await asyncio.sleep(early)
            self._boards[number % len(self._boards)].fill((total - number) / _FILLED_A_SECOND)
        await asyncio.sleep(_RING_SECONDS)

    async def go_on(self) -> None:
        """As many calls begin as end."""
        rate = self._calls * len(self._boards) / CALL_SECONDS / _answered_share()
        began = time.monotonic()
        number = 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            self._boards[number % len(self._boards)].call()

    def mark(self) -> None:
        """From here on the frames of the next report count."""
        self._marked = [board.pbx.feed.sent for board in self._boards]

    def totals(self) -> dict[str, float]:
        """Of all PBXs, so far."""
        states = [board.pbx.state() for board in self._boards]
        names = ("frames", "http_requests", "socket_requests", "live", "played")
        totals = {name: float(sum(_number(state[name]) for state in states)) for name in names}
        return totals | {
            "at": time.time(),
            "skipped": sum(board.skipped for board in self._boards),
            "processor_seconds": processor_seconds(os.getpid()),
        }

    def report(self) -> list[dict[str, Any]]:
        """For each PBX its frames since the last mark, and its calls."""
        return [
            {
                "frames": board.pbx.feed.journal(after=marked),
                "plays": [
                    {"callid": play.callid, "ended_at": play.ended_at, "direction": play.call.direction}
                    for play in board.plays
                ],
            }
            for board, marked in zip(self._boards, self._marked, strict=True)
        ]


def extensions_for(calls: int) -> int:
    """How many extensions a PBX with so many simultaneous calls has here."""
    return calls + max(int(calls * _SPARE), _FEWEST_SPARE)


def _answered_share() -> float:
    """Of all calls, by their weights; the others are over after a few seconds, and come on top."""
    answered = sum(one.weight for name, one in SCENARIOS.items() if not name.endswith(_MISSED))
    return answered / sum(one.weight for one in SCENARIOS.values())


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _say(answer: object) -> None:
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    sys.stdout.flush()


async def _run(arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        options = SimulatorOptions(extensions=extensions_for(arguments.calls))
        boards = [
            Switchboard(await stack.enter_async_context(Simulator(options)), arguments.calls, seed)
            for seed in range(arguments.pbxs)
        ]
        switchboards = Switchboards(boards, arguments.calls)
        _say([board.pbx.url for board in boards])
        calling: asyncio.Task[None] | None = None
        while told := await asyncio.to_thread(sys.stdin.readline):
            match told.strip():
                case "fill":
                    await switchboards.fill()
                    calling = tasks.create_task(switchboards.go_on())
                    _say("filled")
                case "mark":
                    switchboards.mark()
                    _say(switchboards.totals())
                case "totals":
                    _say(switchboards.totals())
                case _:
                    await asyncio.to_thread(Path(arguments.report).write_bytes, orjson.dumps(switchboards.report()))
                    _say("reported")
        if calling is not None:
            calling.cancel()


def main() -> None:
    """Be the PBXs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pbxs", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--report", required=True)
    arguments = parser.parse_args()
    gc.disable()  # a look for cycles would stop thousands of calls, and be taken for a delay of the monitor
    uvloop.run(_run(arguments))


if __name__ == "__main__":
    main()
