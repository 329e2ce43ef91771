"""The course of one soak: publishes what the plan says, kills and restarts, and waits until everything is settled."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc

from tests.deadline import eventually
from tests.integration.dispatcher.harness import publish
from tests.soak.moods import Answer
from tests.soak.plan import SUBSCRIPTIONS
from tests.soak.sink import Sink
from tests.soak.verdict import Row, demand_all
from tests.soak.victim import Victim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from switchhook.events import Event
    from tests.soak.plan import Kill, Plan

_ACCEPTED_WITHIN = _SETTLED_WITHIN = 240.0  # seconds
_LONGEST_PATIENCE = 16.0
_NOTHING_COMES = 1.0
_ROWS = (
    "SELECT events.id, endpoint, status, reason, attempts - earlier_attempts "
    "FROM deliveries JOIN events ON events.number = deliveries.event"
)
_HEADS = f"{_ROWS} WHERE status = 'pending' AND due_at IS NOT NULL LIMIT 10"
_UNSETTLED = (
    "SELECT (SELECT count(*) FROM deliveries WHERE status = 'pending') "
    "+ (SELECT count(*) FROM events WHERE held_until IS NOT NULL)"
)


@dataclass(slots=True)
class Tally:
    """What was done and seen, of one soak or of several."""

    kills: int = 0
    restarts: int = 0
    events: int = 0
    deliveries: int = 0
    dead: int = 0
    repeats: int = 0
    taken_twice: int = 0
    seconds: float = field(default=0.0)

    def add(self, other: Tally) -> None:
        """Count another one in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.restarts} restarts of the database, {self.events} events, "
            f"{self.deliveries} deliveries ({self.dead} dead), {self.repeats} repeats "
            f"({self.taken_twice} of what had been accepted), {self.seconds:.0f} s"
        )


class Course:
    """One plan, carried out; `restart` ends the server of the database with a signal and starts it again."""

    def __init__(
        self, plan: Plan, *, database: str, replicas: int, restart: Callable[[signal.Signals], None] | None = None
    ) -> None:
        self._plan = plan
        self._database = database
        self._replicas = replicas
        self._restart = restart
        self._sinks: dict[str, Sink] = {}
        self._victims: list[Victim] = []
        self._folder: Path | None = None
        self._tally = Tally()

    async def run(self, folder: Path) -> Tally:
        """Carry it out in an empty folder. Raises AssertionError when the property does not hold."""
        self._folder, began = folder, time.monotonic()
        async with contextlib.AsyncExitStack() as stack:
            for number, (name, mood) in enumerate(zip(SUBSCRIPTIONS, self._plan.moods, strict=True)):
                self._sinks[name] = await stack.enter_async_context(Sink(mood, seed=self._plan.seed + number))
            urls = {name: sink.url for name, sink in self._sinks.items()}
            for number in range(self._replicas):
                victim = Victim(folder / f"dispatcher-{number}", database=self._database, urls=urls)
                stack.push_async_callback(victim.clear)
                self._victims.append(victim)
                await victim.start()
            async with asyncio.TaskGroup() as group:
                await self._kills(group)
            await self._demand_kept()
            await self._settled()
            for victim in self._victims:
                await victim.kill()  # so that nothing comes any more while the verdict is made
        rows = [Row(*row) for row in await self._rows(_ROWS)]
        demand_all(self._plan.events, rows, {name: sink.receptions for name, sink in self._sinks.items()})
        self._count(rows, time.monotonic() - began)
        return self._tally

    async def _kills(self, group: asyncio.TaskGroup) -> None:
        for number, (kill, portion) in enumerate(
            itertools.zip_longest(self._plan.kills, self._plan.arrivals, fillvalue=None)
        ):
            if portion is not None:
                group.create_task(self._publish(portion, first=number))
            if kill is not None:
                if self._restart is not None and number == self._plan.restart_before:
                    # Not in a thread: the server would end with the thread that started it.
                    self._restart(signal.SIGQUIT if self._plan.crash else signal.SIGINT)
                    self._tally.restarts += 1
                await self._kill(kill)

    async def _kill(self, kill: Kill) -> None:
        victim = self._victims[kill.victim % self._replicas]
        enough = self._received + kill.receptions
        with contextlib.suppress(AssertionError):  # then it is killed while nothing comes
            await eventually(lambda: self._received >= enough, _NOTHING_COMES)
        await victim.kill()
        self._tally.kills += 1
        await victim.start()

    async def _publish(self, events: Sequence[Event], *, first: int) -> None:
        """Until everything is acknowledged, here or there, as producers do."""
        patience = 1.0  # seconds; the address of one that was killed answers no more
        async with asyncio.timeout(_ACCEPTED_WITHIN):
            for turn in itertools.count(first):
                address = self._victims[turn % self._replicas].address
                try:
                    await asyncio.wait_for(publish(address, events, batch=7), patience)
                except (grpc.aio.AioRpcError, AssertionError, TimeoutError):
                    patience = min(patience * 1.5, _LONGEST_PATIENCE)
                    await asyncio.sleep(0.05)
                else:
                    return

    async def _demand_kept(self) -> None:
        """Whatever was acknowledged is in the table, whoever died since."""
        kept = {row[0] for row in await self._rows("SELECT id FROM events")}
        lost = {str(event.id) for event in self._plan.events} - kept
        assert not lost, f"acknowledged, but lost: {sorted(lost)}"

    async def _settled(self) -> None:
        until = time.monotonic() + _SETTLED_WITHIN
        while (await self._rows(_UNSETTLED))[0][0]:
            assert time.monotonic() < until, f"not settled: {await self._rows(_HEADS)}"
            await asyncio.sleep(0.1)

    async def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the table says, read from outside."""
        if self._database == "sqlite:":
            assert self._folder is not None
            path = self._folder / "dispatcher-0" / "dispatcher.sqlite3"
            with contextlib.closing(sqlite3.connect(path, timeout=30)) as file:
                return file.execute(sql).fetchall()
        connection = await asyncpg.connect(
            self._database, timeout=30, server_settings={"search_path": "switchhook_dispatcher"}
        )
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    @property
    def _received(self) -> int:
        return sum(len(sink.receptions) for sink in self._sinks.values())

    def _count(self, rows: Iterable[Row], seconds: float) -> None:
        statuses = [row.status for row in rows]
        different = sum(len({reception.id for reception in sink.receptions}) for sink in self._sinks.values())
        self._tally.events = len(self._plan.events)
        self._tally.deliveries = len(statuses)
        self._tally.dead = statuses.count("dead")
        self._tally.repeats = self._received - different
        self._tally.taken_twice = sum(_taken_twice(sink) for sink in self._sinks.values())
        self._tally.seconds = seconds


def _taken_twice(sink: Sink) -> int:
    """How often something was accepted that had been accepted before."""
    accepted = [reception.id for reception in sink.receptions if reception.answer is Answer.ACCEPTED]
    return len(accepted) - len(set(accepted))
