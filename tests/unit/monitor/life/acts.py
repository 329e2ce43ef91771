"""How a script is played: coroutines over the moves that the simulator's stage knows. Every wait ends a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults import Fault
from simulator.model import CallState, Leg, LegStatus
from simulator.numbering import VOICEMAIL
from simulator.outgoing import connect_phone, dial, far_end_answers
from simulator.stage import call_inside
from simulator.transfers import attended_transfer, blind_transfer, consultation
from tests.unit.monitor.life.scripts import SHARED, Arrival, Move

if TYPE_CHECKING:
    from simulator.stage import Stage
    from tests.unit.monitor.life.scripts import Script, Turn

STEP = 5.0  # seconds; longer than what two clocks may be apart
QUEUE, GROUP, OTHER_QUEUE = "820", "841", "816"


class Act:
    """One call being played by some extensions; `variants` are those of its stage, chosen anew for every turn."""

    def __init__(self, stage: Stage, script: Script, extensions: tuple[str, ...], *, variants: dict[str, str]) -> None:
        self.stage = stage
        self.script = script
        self.extensions = extensions
        self._variants = variants

    async def play(self) -> None:
        """From the arrival until everybody has hung up."""
        leg = await self._begin()
        for turn in self.script.turns if leg is not None else ():
            leg = await self._turn(leg, turn) if leg is not None else None
            await self.stage.wait(STEP)
        self.stage.end(self.stage.ended_by_outside())

    async def _begin(self) -> Leg | None:
        stage, script = self.stage, self.script
        match script.arrival:
            case Arrival.OUTBOUND:
                leg = dial(stage)
                await stage.wait(STEP)
                if script.is_answered:
                    stage.exchange.connect(leg)
                    stage.show(CallState.TALKING)
                    await stage.wait(STEP)
                return leg if script.is_answered else None
            case Arrival.MAKECALL:
                self._variants["makecall"] = "name-first" if script.has_voicemail else "number-first"
                leg = await connect_phone(stage)
                await stage.wait(STEP)
                if script.is_answered:
                    await far_end_answers(stage, leg)
                    await stage.wait(STEP)
                return leg if script.is_answered else None
            case Arrival.INTERNAL:
                await self._inside()
                return None
            case _:
                return await self._route()

    async def _inside(self) -> None:
        stage, (first, second, *_) = self.stage, self.extensions
        legs = call_inside(stage.exchange, stage.call, caller=first, callee=second)
        await stage.wait(STEP)
        if self.script.is_answered:
            for leg in reversed(legs):
                stage.exchange.connect(leg)
            await stage.wait(STEP)

    async def _route(self) -> Leg | None:
        stage, arrival = self.stage, self.script.arrival
        if arrival is Arrival.DIRECT:
            return await self._hunt("")
        ivr = stage.place("800", LegStatus.CONNECTED)
        stage.show(CallState.TALKING, "800")
        await stage.wait(STEP)
        if arrival is Arrival.IVR_ONLY:
            return None
        target = GROUP if arrival is Arrival.GROUP else QUEUE
        stage.leave(ivr, stage.replaced("800", target))
        if arrival is Arrival.GROUP:
            return await self._ring_all(stage.place(GROUP, LegStatus.RINGING))
        return await self._in_queue(QUEUE)

    async def _in_queue(self, queue: str) -> Leg | None:
        held = self.stage.place(queue, LegStatus.CONNECTED)
        self.stage.show(CallState.TALKING, queue)
        await self.stage.wait(STEP)
        if self.script.arrival is Arrival.RING_ALL:
            return await self._ring_all(held)
        leg = await self._hunt(queue)
        if leg is not None:
            self.stage.leave(held, self.stage.replaced(queue, leg.dn))
            await self.stage.wait(STEP)
        return leg

    async def _ring_all(self, held: Leg) -> Leg | None:
        stage = self.stage
        legs = [stage.ring(dn, on_behalf_of=held.dn) for dn in self.extensions]
        await stage.wait(STEP)
        for leg in legs[1 : 1 + self.script.refusals]:
            stage.leave(leg, "Rejected")
            await stage.wait(STEP)
        if not self.script.is_answered:
            return None
        stage.pick_up(legs[0], losers=tuple(legs[1 + self.script.refusals :]))
        stage.leave(held, stage.replaced(held.dn, legs[0].dn))
        await stage.wait(STEP)
        return legs[0]

    async def _hunt(self, queue: str) -> Leg | None:
        stage, script = self.stage, self.script
        for place in range(script.refusals + 1):
            leg = stage.ring(self.extensions[place % 2], on_behalf_of=queue)
            stage.show(CallState.ROUTING, leg.dn)
            await stage.wait(STEP)
            if place == script.refusals and script.is_answered:
                stage.pick_up(leg)
                if not queue:
                    await stage.wait(STEP)
                return leg
            if place < script.refusals:
                stage.leave(leg, "Not answered")
        if not queue and script.has_voicemail:
            stage.leave(leg, f"forwarded to Voicemail ({VOICEMAIL})")
            stage.place(VOICEMAIL, LegStatus.CONNECTED)
            stage.show(CallState.TALKING, VOICEMAIL)
            await stage.wait(STEP)
        return None

    async def _turn(self, leg: Leg, turn: Turn) -> Leg | None:
        stage = self.stage
        others = [dn for dn in (*self.extensions, *SHARED) if dn != leg.dn]
        to = others[turn.to % len(others)]
        may_consult = not self.script.may_share and leg.dn in self.extensions and self._is_inbound()
        match turn.move:
            case Move.BLIND if self._is_inbound():
                self._variants["blind"] = turn.blind
                return await blind_transfer(stage, leg, to=to)
            case Move.BLIND_TO_QUEUE if self._is_inbound():
                stage.leave(leg, stage.replaced(leg.dn, OTHER_QUEUE))
                return await self._in_queue(OTHER_QUEUE)
            case Move.CONSULT if may_consult:
                await consultation(stage, leg, to=to, talk=2 * STEP)
                return leg
            case Move.ATTENDED if may_consult:
                self._variants["attended"] = turn.attended
                await attended_transfer(stage, leg, to=to, talk=2 * STEP)
                return next(one for one in stage.call.legs.values() if one.dn == to and _talks(one))
            case _:
                return leg

    def _is_inbound(self) -> bool:
        return self.stage.call.outside is not None and self.script.arrival not in (Arrival.OUTBOUND, Arrival.MAKECALL)


async def linger(stage: Stage) -> None:
    """Two extensions whose outside party has gone say good-bye."""
    await stage.wait(STEP)
    stage.end(stage.ended_by_outside())


def faults_of(script: Script) -> list[str]:
    """The faults of the PBX that concern the legs of a call."""
    return [] if script.is_referrer_shown else [Fault.NO_REFERRED_BY]


def _talks(leg: Leg) -> bool:
    return leg.participant.status is LegStatus.CONNECTED
