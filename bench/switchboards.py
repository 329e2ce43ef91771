"""The PBXs of a bench of the monitor, a process of their own: each holds its calls, as many ending as beginning.

    python -m bench.switchboards --pbxs 1 --calls 1000 --report FILE

Prints the addresses, then does what it is told, line by line: `fill` (prints `filled` once all calls live), `totals`
(prints those of all PBXs so far), `mark` (the same, and the next report begins here), `report` (writes the frames since,
and all calls). Ends with its standard input. A call lasts three minutes of real time, so a thousand calls are 5.6 begun and 5.6 ended each second.
"""

from __future__ import annotations

import argparse
import asyncio
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

    def fill(self) -> None:
        """A call that is somewhere in its middle: it talks at once, and for no more than what is left of it."""
        self._play("incoming-direct", talk=self._random.uniform(0.0, CALL_SECONDS))

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
        began = time.monotonic()
        for number in range(self._calls * len(self._boards)):
            if (early := began + number / _FILLED_A_SECOND - time.monotonic()) > _CALM:
                await asyncio.sleep(early)
            self._boards[number % len(self._boards)].fill()
        await asyncio.sleep(_RING_SECONDS)

    async def go_on(self) -> None:
        """As many calls begin as end."""
        total = self._calls * len(self._boards)
        began = time.monotonic()
        number = 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, began + number * CALL_SECONDS / total - time.monotonic()))
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
            "processor_seconds": processor_seconds("self"),
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
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
