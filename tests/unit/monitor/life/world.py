"""A PBX in virtual time: calls make their steps in the order of their waits, and every step tells its frames.

The state and its interfaces are those of the simulator; only the clock is made up: a life is the same each time.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import orjson

from services.monitor.call_log import read_segment
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import peer_kind, read_active_calls, read_leg
from simulator.call_log import CallLog, Period
from simulator.clock import Clock
from simulator.exchange import Exchange, LegGone
from simulator.faults import Faults
from simulator.model import Direction, Party
from simulator.numbering import PEER_TYPES, Directory, DnKind
from simulator.stage import Cast, Equipment, Stage
from simulator.wire import active_call_row, utc_text
from tests.unit.monitor.life.acts import Act, faults_of, linger
from tests.unit.monitor.life.scripts import LINES, SHARED, Arrival

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Generator

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from simulator.model import Call
    from simulator.model import Leg as SimulatedLeg
    from simulator.model import Segment as SimulatedSegment
    from tests.unit.monitor.life.scripts import Script

START = datetime(2026, 5, 14, 12, 0, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Frame:
    """The PBX says that a leg changed, or that it is gone; `number` is the call it belongs to."""

    key: LegKey
    number: int
    is_remove: bool


class World:
    """Calls live here; `step` lets the next thing happen."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.frames: list[Frame] = []
        self.roots: dict[int, int] = {}
        directory = Directory(extensions=3 * len(LINES), client_id="switchhook")
        self._visible = tuple(sorted(directory.default_monitored()))
        self.exchange = Exchange(directory, self, now=self._epoch, first_call_number=1)
        self._log = CallLog()
        self.exchange.on_segment_end.append(self._log.append)
        self._acts: dict[int, Act] = {}
        self._waiting: list[tuple[float, int, Coroutine[float, None, None], int]] = []
        self._order = count()
        self._lines = itertools.cycle(LINES)
        kinds = {number: peer_kind(PEER_TYPES[dn.kind]) for number, dn in directory.by_number.items()}
        self.plan = NumberingPlan(kinds=kinds, visible=frozenset(self._visible))

    @property
    def now(self) -> datetime:
        """The moment, for those who watch."""
        return START + timedelta(seconds=self.seconds)

    @property
    def live(self) -> list[int]:
        """The numbers of the calls that were begun and are not over; without consultations."""
        return [number for number, act in self._acts.items() if not all(call.over for call in act.stage.opened)]

    # The simulator's feed

    def upsert(self, leg: SimulatedLeg) -> None:
        """A leg changed."""
        self._tell(leg, is_remove=False)

    def remove(self, leg: SimulatedLeg) -> None:
        """A leg is gone."""
        self._tell(leg, is_remove=True)

    def _tell(self, leg: SimulatedLeg, *, is_remove: bool) -> None:
        if leg.dn in self._visible:
            participant = leg.participant
            self.frames.append(Frame((leg.dn, participant.id), participant.callid, is_remove))

    # What happens

    def begin(self, script: Script) -> int:
        """A call begins with the next step; its number."""
        outside = Party(dn="10007", kind=DnKind.TRUNK, number=script.caller, name=script.caller)
        direction = _DIRECTIONS.get(script.arrival, Direction.INBOUND)
        extensions = SHARED if script.may_share else self._free_line()
        caller = f"10007 {script.caller} ({script.caller})" if direction is Direction.INBOUND else extensions[0]
        is_internal = direction is Direction.INTERNAL
        call = self.exchange.open_call(direction, outside=None if is_internal else outside, caller=caller)
        cast = Cast(number=script.caller, extension=extensions[0], colleague=extensions[1])
        variants: dict[str, str] = {}
        equipment = Equipment(self.exchange, Faults(faults_of(script)), _VirtualClock())
        act = Act(Stage(equipment, call, cast, variants=variants), script, extensions, variants=variants)
        self._acts[call.callid] = act
        self._schedule(act.play(), call.callid, after=0.0)
        return call.callid

    def _free_line(self) -> tuple[str, ...]:
        busy = {self._acts[number].extensions for number in self.live}
        return next(line for line in self._lines if line not in busy)

    def hang_up(self, number: int) -> None:
        """The outside party has enough; extensions that consult say good-bye to each other."""
        stage = self._acts[number].stage
        for entry in [one for one in self._waiting if one[3] == number]:
            self._waiting.remove(entry)
            entry[2].close()
        heapq.heapify(self._waiting)
        stage.end(stage.ended_by_outside())
        for call in stage.opened:
            if not call.over:
                left = Stage(Equipment(self.exchange, stage.faults, _VirtualClock()), call, stage.cast, variants={})
                self._schedule(linger(left), number, after=0.0)
        self._know_roots()

    def is_consulting(self, number: int) -> bool:
        """True while a colleague is asked: until it is joined the log tells nothing of it."""
        return sum(not call.over for call in self._acts[number].stage.opened) > 1

    def next_at(self) -> float | None:
        """When the next thing happens, in seconds; None when nothing will."""
        return self._waiting[0][0] if self._waiting else None

    def step(self) -> int:
        """The next call makes its next step; its number."""
        at, _, coroutine, number = heapq.heappop(self._waiting)
        self.seconds = max(self.seconds, at)
        self._advance(coroutine, number)
        self._know_roots()
        return number

    def _advance(self, coroutine: Coroutine[float, None, None], number: int) -> None:
        try:
            wait = coroutine.send(None)
        except StopIteration:
            return
        except LegGone:
            self._acts[number].stage.end("")
            return
        self._schedule(coroutine, number, after=wait)

    def _schedule(self, coroutine: Coroutine[float, None, None], number: int, *, after: float) -> None:
        at = round(self.seconds + after, 2)  # the call log tells hundredths
        heapq.heappush(self._waiting, (at, next(self._order), coroutine, number))

    def _know_roots(self) -> None:
        for number, act in self._acts.items():
            self.roots.update(dict.fromkeys((call.callid for call in act.stage.opened), number))

    # What can be asked

    def read(self, key: LegKey) -> Leg | None:
        """One leg as it is now."""
        leg = self.exchange.leg(*key)
        return None if leg is None else read_leg(orjson.loads(leg.body), self.plan)

    def snapshot(self) -> list[Leg]:
        """All legs that are shown."""
        legs = [leg for dn in self._visible for leg in self.exchange.legs.get(dn, {}).values()]
        return [read_leg(orjson.loads(leg.body), self.plan) for leg in legs]

    def active_calls(self, numbers: Collection[int] = ()) -> list[ActiveCall]:
        """The rows of these calls, or of all."""
        now = utc_text(self._epoch())
        asked = [call for call in self.exchange.calls.values() if not numbers or call.callid in numbers]
        return read_active_calls({"value": [active_call_row(call, now) for call in asked]}, now=self.now)

    def call_log(self) -> list[Segment]:
        """Every segment that has ended."""
        rows, _ = self._log.rows(Period(begin=0.0, end=self._epoch() + 60))
        return [segment for row in rows if (segment := read_segment(row)) is not None]

    def talkers(self, number: int) -> list[str]:
        """The extensions that talked with the outside party of a call, one after the other."""
        segments = self._conversation(number)
        talks = sorted((one.answered_at, one.record, _inner(one)) for one in segments if one.answered_at is not None)
        return [dn for _, _, dn in talks if self.exchange.directory.kind(dn) is DnKind.EXTENSION]

    def _conversation(self, number: int) -> list[SimulatedSegment]:
        call: Call = self._acts[number].stage.opened[0]
        sides = (DnKind.TRUNK,)
        return [one for one in call.conversation.segments if one.source.kind in sides or one.destination.kind in sides]

    def _epoch(self) -> float:
        return START.timestamp() + round(self.seconds, 6)


class _VirtualClock(Clock):
    async def sleep(self, seconds: float) -> None:
        await _Wait(round(seconds, 2))


class _Wait:
    """Hands so many seconds to whoever drives the coroutine."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self._seconds


def _inner(segment: SimulatedSegment) -> str:
    return segment.source.dn if segment.destination.outside else segment.destination.dn


_DIRECTIONS = {
    Arrival.OUTBOUND: Direction.OUTBOUND,
    Arrival.MAKECALL: Direction.OUTBOUND,
    Arrival.INTERNAL: Direction.INTERNAL,
}
