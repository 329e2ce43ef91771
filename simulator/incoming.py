"""Scenarios of calls that come in: through the IVR into a queue, a ring group or straight to an extension.

Each is a coroutine over a Stage and ends with the call over. Pauses are in seconds at speed 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.model import CallState, Leg, LegStatus
from simulator.numbering import VOICEMAIL
from simulator.transfers import attended_transfer, blind_transfer, consultation

if TYPE_CHECKING:
    from simulator.stage import Stage

MENU_TIME = 0.8
QUEUE_TIME = 0.5
RING_TIME = 0.8
GIVE_UP_TIME = 1.0


async def answered(stage: Stage) -> None:
    await through_queue(stage)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by_outside())


async def missed(stage: Stage) -> None:
    await menu(stage, into=stage.cast.queue)
    queue = into_queue(stage)
    await stage.wait(QUEUE_TIME)
    leg = stage.ring(stage.cast.extension, on_behalf_of=stage.cast.queue)
    await stage.ringing(GIVE_UP_TIME)
    stage.leave(leg, stage.ended_by_outside())
    stage.leave(queue, stage.ended_by_outside())
    stage.end(stage.ended_by_outside())


async def attended(stage: Stage) -> None:
    leg = await through_queue(stage)
    await stage.wait(stage.cast.talk * 0.4)
    await attended_transfer(stage, leg, to=stage.cast.colleague, talk=stage.cast.talk * 0.6)
    await stage.wait(stage.cast.transferred_talk)
    stage.end(stage.ended_by_outside())


async def blind(stage: Stage) -> None:
    leg = await through_queue(stage)
    await stage.wait(stage.cast.talk)
    if await blind_transfer(stage, leg, to=stage.cast.colleague) is not None:
        await stage.wait(stage.cast.transferred_talk)
    stage.end(stage.ended_by_outside())


async def chained(stage: Stage) -> None:
    """Sent on without asking, and then by the colleague after asking: three extensions talk, one after the other."""
    leg = await through_queue(stage)
    await stage.wait(stage.cast.talk)
    second = await blind_transfer(stage, leg, to=stage.cast.colleague)
    if second is not None:
        await stage.wait(stage.cast.transferred_talk * 0.4)
        await attended_transfer(stage, second, to=stage.cast.members[0], talk=stage.cast.transferred_talk * 0.6)
        await stage.wait(stage.cast.transferred_talk)
    stage.end(stage.ended_by_outside())


async def consulted(stage: Stage) -> None:
    """The extension asks a colleague and goes on by itself: no transfer."""
    leg = await through_queue(stage)
    await stage.wait(stage.cast.talk * 0.4)
    await consultation(stage, leg, to=stage.cast.colleague, talk=stage.cast.talk * 0.3)
    await stage.wait(stage.cast.talk * 0.3)
    stage.end(stage.ended_by_outside())


async def group_hunt(stage: Stage) -> None:
    await menu(stage, into=stage.cast.group)
    leg = await _ring_group(stage, stage.cast.members[:1])
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by(leg.dn))


async def group_hunt_missed(stage: Stage) -> None:
    await menu(stage, into=stage.cast.group)
    await _ring_group_in_vain(stage, stage.cast.members[:1])


async def group_ring_all(stage: Stage) -> None:
    await menu(stage, into=stage.cast.group)
    leg = await _ring_group(stage, stage.cast.members)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by(leg.dn))


async def group_ring_all_missed(stage: Stage) -> None:
    await menu(stage, into=stage.cast.group)
    await _ring_group_in_vain(stage, stage.cast.members)


async def queue_hunt(stage: Stage) -> None:
    """The first agent does not answer, the second does."""
    await menu(stage, into=stage.cast.queue)
    queue = into_queue(stage)
    await stage.wait(QUEUE_TIME)
    first = stage.ring(stage.cast.extension, on_behalf_of=stage.cast.queue)
    await stage.ringing(GIVE_UP_TIME)
    stage.leave(first, "Not answered")
    leg = stage.ring(stage.cast.colleague, on_behalf_of=stage.cast.queue)
    await stage.ringing(RING_TIME)
    stage.pick_up(leg)
    stage.leave(queue, stage.replaced(queue.dn, leg.dn))
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by(leg.dn))


async def queue_ring_all(stage: Stage) -> None:
    """Several agents ring at once; the first of them answers."""
    await menu(stage, into=stage.cast.queue)
    queue = into_queue(stage)
    await stage.wait(QUEUE_TIME)
    legs = [stage.ring(dn, on_behalf_of=stage.cast.queue) for dn in stage.cast.members]
    await stage.ringing(RING_TIME)
    stage.pick_up(legs[0], losers=tuple(legs[1:]))
    stage.leave(queue, stage.replaced(queue.dn, legs[0].dn))
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by_outside())


async def direct(stage: Stage) -> None:
    """The DID leads straight to an extension."""
    leg = stage.ring(stage.cast.extension)
    stage.show(CallState.ROUTING, stage.cast.extension)
    await stage.ringing(RING_TIME)
    stage.pick_up(leg)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by_outside())


async def voicemail(stage: Stage) -> None:
    """Nobody answers, and the caller speaks to the voicemail of the extension."""
    leg = stage.ring(stage.cast.extension)
    stage.show(CallState.ROUTING, stage.cast.extension)
    await stage.ringing(GIVE_UP_TIME)
    stage.leave(leg, f"forwarded to Voicemail ({VOICEMAIL})")
    stage.place(VOICEMAIL, LegStatus.CONNECTED)
    stage.show(CallState.TALKING, VOICEMAIL)
    await stage.wait(stage.cast.talk)
    stage.end(stage.ended_by_outside())


async def menu(stage: Stage, *, into: str) -> None:
    """The IVR answers, and the caller chooses where to go."""
    leg = stage.place(stage.cast.ivr, LegStatus.CONNECTED)
    stage.show(CallState.TALKING, stage.cast.ivr)
    await stage.wait(MENU_TIME)
    stage.show(CallState.ROUTING, into)
    stage.leave(leg, stage.replaced(stage.cast.ivr, into))
    await stage.stray()


def into_queue(stage: Stage) -> Leg:
    leg = stage.place(stage.cast.queue, LegStatus.CONNECTED)
    stage.show(CallState.TALKING, stage.cast.queue)
    return leg


async def through_queue(stage: Stage) -> Leg:
    """IVR, queue, one agent rings and answers: the agent's leg."""
    await menu(stage, into=stage.cast.queue)
    queue = into_queue(stage)
    await stage.wait(QUEUE_TIME)
    leg = stage.ring(stage.cast.extension, on_behalf_of=stage.cast.queue)
    await stage.ringing(RING_TIME)
    stage.pick_up(leg)
    stage.leave(queue, stage.replaced(queue.dn, leg.dn))
    return leg


async def _ring_group(stage: Stage, members: tuple[str, ...]) -> Leg:
    group, legs = _enter_group(stage, members)
    await stage.ringing(RING_TIME)
    stage.pick_up(legs[0], losers=tuple(legs[1:]))
    stage.leave(group, stage.replaced(group.dn, legs[0].dn))
    return legs[0]


async def _ring_group_in_vain(stage: Stage, members: tuple[str, ...]) -> None:
    group, legs = _enter_group(stage, members)
    await stage.ringing(GIVE_UP_TIME)
    for leg in (*legs, group):
        stage.leave(leg, stage.ended_by_outside())
    stage.end(stage.ended_by_outside())


def _enter_group(stage: Stage, members: tuple[str, ...]) -> tuple[Leg, list[Leg]]:
    group = stage.place(stage.cast.group, LegStatus.RINGING)
    stage.show(CallState.ROUTING, stage.cast.group)
    return group, [stage.ring(dn, on_behalf_of=stage.cast.group) for dn in members]
