"""What happens on a PBX in real life, one script for each: calls, and what disturbs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.scene import Scene

OUTAGE = 6.0  # seconds; longer than the calls that begin and end in it
ENDLESS = 600.0  # seconds of talk: until the script hangs up
OTHER, THIRD = "0603111222", "0777333444"  # callers besides the usual one
SHORT_TRANSFER: dict[str, Any] = {"talk": 3.5, "transferred_talk": 2.5}  # whole seconds are told


Disturb = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OrderedTransfer:
    """A blind or attended transfer whose frames come in one known order."""

    family: str
    order: str
    extension: str
    colleague: str


def ordered_transfers(transfers: Sequence[OrderedTransfer], disturb: Disturb) -> Callable[[Scene], Awaitable[None]]:
    """Transfers at the same time, and what disturbs them."""

    async def script(scene: Scene) -> None:
        plays = [
            scene.play(
                f"incoming-{one.family}-transfer",
                variant=f"{one.family}:{one.order}",
                extension=one.extension,
                colleague=one.colleague,
                **SHORT_TRANSFER,
            )
            for one in transfers
        ]
        await disturb(scene)
        for play in plays:
            await play

    return script


async def nothing(_: Scene) -> None:
    """Nothing disturbs."""


async def lose_socket_in_mid_call(scene: Scene) -> None:
    """The socket is lost while some transfers are under way and others are about to be."""
    await scene.told("ringing 111 ext 1")  # by the extension that consults first
    await lose_socket(scene, seconds=1.5)
    await scene.followed()


async def expire_token_in_mid_call(scene: Scene) -> None:
    """The token dies three times while calls are transferred."""
    for told in ("started 100 NotDef 1", "ringing 111 ext 1", "ringing 101 ext 1"):
        await scene.told(told)
        scene.pbx.fault("expire-token")
        await eventually(lambda: not scene.is_followed(), message="the socket stays open")
        await scene.followed()


def playing(scenario: str, variant: str = "", **cast: Any) -> Callable[[Scene], Awaitable[None]]:
    """One call from its beginning to its end."""

    async def script(scene: Scene) -> None:
        await scene.play(scenario, variant=variant, **cast)

    return script


async def lose_socket(scene: Scene, *, seconds: float = OUTAGE) -> None:
    """The websocket is lost, and refused for so long."""
    scene.pbx.fault("drop-socket", seconds=seconds)
    await eventually(lambda: not scene.is_followed(), message="the socket stays open")


async def socket_lost_around_calls(scene: Scene) -> None:
    """One call lives on through the gap; others begin and end in it."""
    long = scene.play("incoming-answered", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    await lose_socket(scene)
    within = [
        scene.play("incoming-direct", extension="117", number=OTHER, talk=1.3),
        scene.play("incoming-missed", extension="118", number=THIRD),
        scene.play("outgoing-answered", extension="119", talk=1.0),
    ]
    for play in within:
        await play
    assert not scene.is_followed(), "the outage was too short"
    await scene.followed()
    scene.hang_up(long)


async def call_told_before_the_gap(scene: Scene) -> None:
    """A call is over and told before the socket is lost; another one ends in the gap."""
    first = scene.play("incoming-direct", extension="117", number=OTHER, talk=1.3)
    await first
    await scene.told("ended 117 Ok 1")
    await socket_lost_at_the_end(scene)


async def socket_lost_at_the_end(scene: Scene) -> None:
    """A call ends in the gap."""
    play = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    await asyncio.sleep(1.5)
    await lose_socket(scene)
    await asyncio.sleep(1.0)
    scene.hang_up(play)


async def socket_lost_at_the_beginning(scene: Scene) -> None:
    """A call begins in the gap, is answered there, and lives on."""
    await lose_socket(scene)
    play = scene.play("incoming-answered", talk=ENDLESS)
    await scene.followed()
    await scene.told("started 202 NotDef 1")
    scene.hang_up(play)


async def socket_lost_during_transfer(scene: Scene) -> None:
    """A call that is known is transferred in the gap, and lives on."""
    play = scene.play("incoming-blind-transfer", talk=2.0, transferred_talk=ENDLESS)
    await scene.told("started 117 NotDef 1")
    await lose_socket(scene)
    await scene.followed()
    await scene.told("started 204 Blind 2")
    scene.hang_up(play)


async def transfers_in_the_gap(scene: Scene) -> None:
    """Whole transfers that nobody saw."""
    await lose_socket(scene, seconds=8.0)
    plays = [
        scene.play("incoming-blind-transfer", talk=1.0, transferred_talk=1.0),
        scene.play("incoming-attended-transfer", extension="118", colleague="119", talk=2.5, transferred_talk=1.0),
    ]
    for play in plays:
        await play
    assert not scene.is_followed(), "the outage was too short"


async def socket_lost_twice(scene: Scene) -> None:
    """What was told of the first gap is not told again after the second, though the call log shows it again."""
    for extension, number in (("117", OTHER), ("118", THIRD)):
        await lose_socket(scene, seconds=4.0)
        await scene.play("incoming-direct", extension=extension, number=number, talk=1.0)
        assert not scene.is_followed(), "the outage was too short"
        await scene.told(f"ended {extension} Ok 1")
        await scene.followed()


async def socket_lost_again_and_again(scene: Scene) -> None:
    """The socket never lives for long while a call is transferred."""
    play = scene.play("incoming-attended-transfer", **SHORT_TRANSFER)
    while play in scene.pbx.playbill.live:
        if scene.is_followed():
            await asyncio.sleep(0.3)
            scene.pbx.fault("drop-socket")
        await asyncio.sleep(0.05)


async def socket_lost_while_ringing(scene: Scene) -> None:
    """A call rings before the gap, and is over after it: one is answered there, one never."""
    plays = [
        scene.play("incoming-answered", talk=1.5),
        scene.play("incoming-missed", extension="117", number=OTHER),
    ]
    await scene.told("ringing 202 ext 0")
    await scene.told("ringing 117 ext 0")
    await lose_socket(scene)
    for play in plays:
        await play
    assert not scene.is_followed(), "the outage was too short"


async def socket_lost_in_a_consultation(scene: Scene) -> None:
    """The colleague is asked before the gap and has the call after it."""
    play = scene.play("incoming-attended-transfer", talk=5.0, transferred_talk=ENDLESS)
    await scene.told("ringing 204 ext 1")
    await eventually(lambda: _is_talking(scene, "204"), 20)
    await lose_socket(scene, seconds=5.0)
    await scene.followed()
    await scene.told("started 204 Attended 2")
    scene.hang_up(play)


def _is_talking(scene: Scene, dn: str) -> bool:
    return any(leg.participant.status == "Connected" for leg in scene.pbx.exchange.legs.get(dn, {}).values())


async def other_calls_in_the_gap(scene: Scene) -> None:
    """Kinds of calls of which only the log tells; those between extensions are nobody's business."""
    await lose_socket(scene, seconds=8.0)
    plays = [
        scene.play("incoming-voicemail", extension="101", talk=1.0),
        scene.play("incoming-queue-hunt", extension="102", colleague="103", talk=1.0),
        scene.play("incoming-ring-group-ring-all-missed", members=("104", "105")),
        scene.play("internal-answered", extension="106", colleague="107", talk=1.0),
        scene.play("outgoing-missed", extension="108"),
    ]
    for play in plays:
        await play
    assert not scene.is_followed(), "the outage was too short"


async def token_expired(scene: Scene) -> None:
    """The token dies while somebody talks, and again while the next phone rings."""
    play = scene.play("incoming-blind-transfer", talk=2.0, transferred_talk=ENDLESS)
    await scene.told("started 117 NotDef 1")
    scene.pbx.fault("expire-token")
    await scene.told("ringing 204 ext 1")
    scene.pbx.fault("expire-token")
    await scene.told("started 204 Blind 2")
    scene.hang_up(play)


async def token_stolen(scene: Scene) -> None:
    """Somebody else asks for a token of the same client: ours is worth nothing then, though the socket stays open."""
    play = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    credentials = {"client_id": "switchhook", "client_secret": "secret", "grant_type": "client_credentials"}
    async with (
        aiohttp.ClientSession() as thief,
        thief.post(f"{scene.pbx.url}/connect/token", data=credentials) as answer,
    ):
        assert answer.status == 200
    assert scene.is_followed()
    scene.hang_up(play)


async def restarted_between_calls(scene: Scene) -> None:
    """The same caller calls the same extension before and after: the same number, and the same leg."""
    first = await scene.play("incoming-direct", talk=1.0)
    await scene.told("recording 202 1")
    scene.pbx.fault("restart")
    await eventually(lambda: not scene.is_followed(), message="the socket stays open")
    await scene.followed()
    second = await scene.play("incoming-direct", talk=1.0)
    assert first.callid == second.callid


async def restarted_while_ringing(scene: Scene) -> None:
    """A call that nobody had answered yet is cut off."""
    scene.play("incoming-missed", extension="117")
    await scene.told("ringing 117 ext 0")
    scene.pbx.fault("restart", seconds=1.0)


async def restarted_then_another_caller(scene: Scene) -> None:
    """After the restart another call gets the number of the one that was cut off."""
    first = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    scene.pbx.fault("restart", seconds=1.0)
    await scene.told("ended 202 Ok 1")
    second = scene.play("incoming-direct", extension="117", number=OTHER, talk=1.0)
    assert first.callid == second.callid
    await second


async def restarted_and_called_in_the_gap(scene: Scene) -> None:
    """The next call comes before the restart was noticed."""
    first = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    scene.pbx.fault("restart", seconds=3.0)
    second = scene.play("incoming-direct", extension="117", number=OTHER, talk=ENDLESS)
    assert first.callid == second.callid
    await scene.told("started 117 NotDef 1")
    scene.hang_up(second)


async def restarted_and_called_again_in_the_gap(scene: Scene) -> None:
    """The same caller reaches the same extension again before the restart was noticed: number and leg are the same."""
    first = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    await asyncio.sleep(4.0)
    scene.pbx.fault("restart", seconds=3.0)
    second = scene.play("incoming-direct", talk=ENDLESS)
    assert first.callid == second.callid
    await scene.told("ended 202 Ok 1")
    await scene.told_all(5)
    scene.hang_up(second)


async def restarted_and_called_inside(scene: Scene) -> None:
    """Two extensions get the number of the call that was cut off: nothing is said of them."""
    first = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    scene.pbx.fault("restart", seconds=3.0)
    inside = scene.play("internal-answered", extension="204", colleague="202", talk=ENDLESS)
    assert first.callid == inside.callid
    await scene.told("ended 202 Ok 1")
    scene.hang_up(inside)


async def restarted_in_a_consultation(scene: Scene) -> None:
    """Other callers get the number of the call that was cut off, and that of its consultation."""
    scene.play("incoming-attended-transfer", talk=40.0)  # the colleague is called after 16 s, and joined after 40
    await scene.told("started 117 NotDef 1")
    await scene.told("ringing 204 ext 1")
    scene.pbx.fault("restart", seconds=3.0)
    others = [
        scene.play("incoming-direct", extension="118", number=OTHER, talk=ENDLESS),
        scene.play("incoming-direct", extension="119", number=THIRD, talk=ENDLESS),
    ]
    await scene.told("started 118 NotDef 1")
    await scene.told("started 119 NotDef 1")
    for play in others:
        scene.hang_up(play)


async def one_caller_twice(scene: Scene) -> None:
    """Two calls of one caller at once, through the same IVR and queue."""
    plays = [scene.play("incoming-answered"), scene.play("incoming-answered", extension="117", talk=3.0)]
    for play in plays:
        await play


async def one_extension_twice(scene: Scene) -> None:
    """An extension takes a second call, dials a third and is called by a colleague, while the first waits."""
    first = scene.play("incoming-direct", talk=ENDLESS)
    await scene.told("started 202 NotDef 1")
    for play in (
        scene.play("incoming-direct", number=OTHER, talk=1.2),
        scene.play("outgoing-answered", extension="202", number=THIRD, talk=1.0),
    ):
        await play
    await scene.pbx.play("internal-answered", extension="204", colleague="202", talk=1.0)
    await scene.pbx.play("internal-answered", extension="119", colleague="204", talk=1.0)
    scene.hang_up(first)
