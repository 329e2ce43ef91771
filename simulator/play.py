"""Plays: a scenario on a call, driven by a task of its own, from arrival until the whole conversation is over.

The playbill keeps every play, live and finished, so that a test or a bench can compare what it was told with what was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from simulator.exchange import LegGone
from simulator.faults import Fault
from simulator.model import Call, Direction, Party
from simulator.numbering import DnKind
from simulator.scenarios import Scenario, find_scenario, parse_variants
from simulator.stage import Cast, CastChanges, Equipment, Stage, inside_party

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Sequence

    from simulator.wire import Row

log = logging.getLogger(__name__)

_KEPT_PLAYS = 50_000


class PlayState(StrEnum):
    LIVE = "live"
    ENDED = "ended"
    KILLED = "killed"


@dataclass(slots=True, kw_only=True, eq=False)
class Play:
    """One call that is or was played. Awaiting it waits for the end of the conversation."""

    scenario: str
    call: Call
    cast: Cast
    state: PlayState = PlayState.LIVE
    ended_at: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def callid(self) -> int:
        return self.call.callid

    def __await__(self) -> Generator[object, None, Play]:
        yield from self.over.wait().__await__()
        return self

    def row(self) -> Row:
        """For the control address; times are epoch seconds."""
        return {
            "scenario": self.scenario,
            "callid": self.call.callid,
            "history_id": self.call.conversation.history_id,
            "started_at": self.call.started_at,
            "ended_at": self.ended_at,
            "state": self.state,
            "number": self.cast.number,
            "extension": self.cast.extension,
            "direction": self.call.direction,
            "segments": [
                {
                    "dn": segment.destination.dn if not segment.destination.outside else segment.source.dn,
                    "callid": segment.call.callid,
                    "started_at": segment.started_at,
                    "answered_at": segment.answered_at,
                    "ended_at": segment.ended_at,
                    "recordings": segment.recording_ids,
                }
                for segment in self.call.conversation.segments
            ],
        }


class Spawn(Protocol):
    def __call__(self, coroutine: Coroutine[object, object, None], /) -> asyncio.Task[None]: ...


class Playbill:
    """Starts plays and remembers them."""

    def __init__(self, equipment: Equipment, *, spawn: Spawn, speed: float, variants: Sequence[str]) -> None:
        self.live: set[Play] = set()
        self.finished: deque[Play] = deque(maxlen=_KEPT_PLAYS)
        self.played = 0
        self._equipment = equipment
        self._spawn = spawn
        self._speed = speed
        self._variants = parse_variants(variants)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        name: str,
        *,
        speed: float | None = None,
        variants: Sequence[str] = (),
        changes: CastChanges | None = None,
    ) -> Play:
        """The call exists when this returns. `changes` replaces fields of the scenario's cast.

        ValueError for a scenario, variant or number that does not exist.
        """
        scenario = find_scenario(name)
        cast = replace(scenario.cast, **(changes or CastChanges()))
        self._check(cast)
        call = self._open(scenario, cast)
        call.speed = speed if speed is not None else self._speed
        call.hidden = self._equipment.faults.strikes(Fault.HIDDEN_CALLS)
        stage = Stage(self._equipment, call, cast, variants={**self._variants, **parse_variants(variants)})
        play = Play(scenario=name, call=call, cast=cast)
        self.live.add(play)
        self.played += 1
        call.conversation.ended.append(lambda: self._finish(play, PlayState.ENDED))
        self.drive(stage, scenario.act(stage))
        return play

    def stage(self, call: Call, cast: Cast) -> Stage:
        """For somebody who takes a call over."""
        return Stage(self._equipment, call, cast, variants=self._variants)

    def adopt(self, call: Call, cast: Cast) -> Stage:
        """A call that software started; it is listed like a play."""
        play = Play(scenario="ordered", call=call, cast=cast)
        self.live.add(play)
        call.conversation.ended.append(lambda: self._finish(play, PlayState.ENDED))
        return self.stage(call, cast)

    def drive(self, stage: Stage, moves: Coroutine[object, object, None]) -> None:
        """Let the coroutine decide what happens to the stage's call, until somebody takes it over."""
        task = self._spawn(self._run(stage, moves))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: moves.close())  # halted before the first step, it was never begun

        def halt(taken: Call) -> None:
            task.cancel()
            for other in stage.opened:
                if other is not taken and not other.over:
                    left = self.stage(other, stage.cast)
                    self.drive(left, _linger(left))

        stage.call.halt = halt

    def take_over(self, call: Call, cast: Cast) -> Stage:
        """Nobody drives the call any more; its stage, for whoever goes on."""
        if call.halt is not None:
            call.halt(call)
            call.halt = None
        return self.stage(call, cast)

    def kill(self, now: float) -> None:
        """The PBX restarts: nothing that was live goes on."""
        for task in list(self._tasks):
            task.cancel()
        for play in list(self.live):
            self._finish(play, PlayState.KILLED)
            play.ended_at = now

    def _check(self, cast: Cast) -> None:
        known = self._equipment.directory.by_number
        numbers = (cast.trunk, cast.ivr, cast.queue, cast.group, cast.extension, cast.colleague, *cast.members)
        unknown = [number for number in numbers if number not in known]
        if unknown:
            raise ValueError(f"the PBX has no number {unknown[0]!r}")

    def _open(self, scenario: Scenario, cast: Cast) -> Call:
        exchange, directory = self._equipment.exchange, self._equipment.directory
        outside = Party(dn=cast.trunk, kind=DnKind.TRUNK, number=cast.number, name=cast.number)
        extension = f"{cast.extension} {inside_party(directory, cast.extension).name}"
        match scenario.direction:
            case Direction.INBOUND:
                caller = f"{cast.trunk} {cast.number} ({cast.number})"
                return exchange.open_call(Direction.INBOUND, outside=outside, caller=caller)
            case Direction.OUTBOUND:
                return exchange.open_call(Direction.OUTBOUND, outside=outside, caller=extension)
            case Direction.INTERNAL:
                return exchange.open_call(Direction.INTERNAL, outside=None, caller=extension)

    async def _run(self, stage: Stage, moves: Coroutine[object, object, None]) -> None:
        try:
            await moves
        except LegGone:
            stage.end(stage.ended_by_outside())
        except Exception:  # a scenario's defect must not take the PBX down
            log.exception("play.failed", extra={"callid": stage.call.callid})
            stage.end("Failed")

    def _finish(self, play: Play, state: PlayState) -> None:
        if play in self.live:
            self.live.discard(play)
            play.state = state
            play.ended_at = max((segment.ended_at or 0.0 for segment in play.call.conversation.segments), default=None)
            self.finished.append(play)
            play.over.set()


async def _linger(stage: Stage) -> None:
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by_outside())
