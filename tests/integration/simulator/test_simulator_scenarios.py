"""What a client sees of each scenario: the frames, in order, for every variant."""

from __future__ import annotations

import asyncio

import pytest

from simulator import Simulator, SimulatorOptions
from simulator.scenarios import SCENARIOS
from tests.integration.simulator.client import connected, eventually, journal

IN_QUEUE = ["U 800 Connected", "R 800", "U 820 Connected"]
TALKS_117 = [*IN_QUEUE, "U 117 Ringing", "U 117 Connected", "R 820"]
CONSULTS = [*TALKS_117, "U 117 Dialing", "U 204 Ringing", "U 204 Connected", "U 117 Connected"]

SEQUENCES: dict[tuple[str, str], list[str]] = {
    ("incoming-answered", ""): [*IN_QUEUE, "U 202 Ringing", "U 202 Connected", "R 820", "R 202"],
    ("incoming-missed", ""): [*IN_QUEUE, "U 202 Ringing", "R 202", "R 820"],
    ("incoming-blind-transfer", ""): [*TALKS_117, "U 204 Ringing", "R 117", "U 204 Connected", "R 204"],
    ("incoming-blind-transfer", "blind:leaves-on-answer"): [
        *TALKS_117,
        *("U 204 Ringing", "U 204 Connected", "R 117", "R 204"),
    ],
    ("incoming-blind-transfer", "blind:leaves-first"): [
        *TALKS_117,
        *("R 117", "U 204 Ringing", "U 204 Connected", "R 204"),
    ],
    ("incoming-blind-transfer", "blind:returns"): [
        *TALKS_117,
        *("U 204 Ringing", "R 117", "R 204", "U 117 Ringing", "U 117 Connected", "R 117"),
    ],
    ("incoming-blind-transfer", "blind:unanswered"): [*TALKS_117, "U 204 Ringing", "R 117", "R 204"],
    ("incoming-attended-transfer", ""): [*CONSULTS, "R 117", "R 117", "U 204 Connected", "R 204"],
    ("incoming-attended-transfer", "attended:new-id"): [
        *CONSULTS,
        *("R 117", "R 117", "R 204", "U 204 Connected", "R 204"),
    ],
    ("incoming-attended-transfer", "attended:join-first"): [
        *CONSULTS,
        *("U 204 Connected", "R 117", "R 117", "R 204"),
    ],
    ("incoming-attended-transfer", "attended:survivor-is-consultation"): [
        *CONSULTS,
        *("R 117", "R 117", "U 204 Connected", "R 204"),
    ],
    ("incoming-ring-group-hunt", ""): ["U 800 Connected", "R 800", "U 117 Ringing", "U 117 Connected", "R 117"],
    ("incoming-ring-group-hunt-missed", ""): ["U 800 Connected", "R 800", "U 117 Ringing", "R 117"],
    ("incoming-ring-group-ring-all", ""): [
        *("U 800 Connected", "R 800", "U 117 Ringing", "U 204 Ringing", "U 117 Connected", "R 204", "R 117"),
    ],
    ("incoming-ring-group-ring-all-missed", ""): [
        *("U 800 Connected", "R 800", "U 117 Ringing", "U 204 Ringing", "R 117", "R 204"),
    ],
    ("outgoing-answered", ""): ["U 117 Dialing", "U 117 Connected", "R 117"],
    ("outgoing-missed", ""): ["U 117 Dialing", "R 117"],
    ("makecall-answered", ""): [*["U 117 Dialing"] * 2, *["U 117 Connected"] * 2, "R 117"],
    ("makecall-answered", "makecall:name-first"): [
        *("U 117 Ringing", "U 117 Dialing", "U 117 Connected", "U 117 Connected", "R 117"),
    ],
    ("makecall-missed", ""): ["U 117 Dialing", "U 117 Dialing", "R 117"],
    ("get-incoming-answered", ""): [
        *("U 800 Connected", "R 800", "U 804 Connected", "U 102 Ringing", "U 102 Connected", "R 804", "R 102"),
    ],
    ("get-incoming-missed", ""): [
        *("U 800 Connected", "R 800", "U 804 Connected", "U 102 Ringing", "R 102", "R 804"),
    ],
    ("get-outgoing-answered", ""): ["U 102 Dialing", "U 102 Connected", "R 102"],
    ("get-outgoing-missed", ""): ["U 102 Dialing", "R 102"],
    ("incoming-queue-ring-all", ""): [
        *("U 800 Connected", "R 800", "U 816 Connected", "U 101 Ringing", "U 102 Ringing"),
        *("U 101 Connected", "R 102", "R 816", "R 101"),
    ],
    ("incoming-voicemail", ""): ["U 202 Ringing", "R 202"],
}


@pytest.mark.parametrize(("scenario", "variant"), SEQUENCES, ids=lambda name: name.partition(":")[2] or name)
async def test_a_scenario_sends_its_frames_in_order(scenario: str, variant: str) -> None:
    async with Simulator(SimulatorOptions(speed=100)) as pbx:
        await pbx.play(scenario, variant=variant or ())
        assert journal(pbx) == SEQUENCES[scenario, variant]
        assert pbx.exchange.calls == {}
        assert pbx.exchange.legs == {}


async def test_every_scenario_is_over_when_its_play_is() -> None:
    async with Simulator(SimulatorOptions(speed=100)) as pbx:
        plays = [pbx.play(name) for name in SCENARIOS]
        for play in plays:
            assert (await play).state == "ended"
        assert pbx.exchange.calls == {}
        assert [play.callid for play in plays] == sorted({play.callid for play in plays})


async def test_a_blind_transfer_names_who_referred() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client, client.socket():
        play = pbx.play("incoming-blind-transfer")
        await eventually(lambda: ("U", "204/participants/5204") in client.events())
        shown = (await client.get("/callcontrol/204/participants/5204")).json
        assert shown["referred_by_dn"] == "117"
        assert shown["referred_by_type"] == "Wextension"
        assert shown["party_caller_id"] == "05552221133"
        assert shown["callid"] == play.callid
        await play


@pytest.mark.parametrize(
    ("variant", "same_participant", "callid"),
    [("same-id", True, 1), ("new-id", False, 1), ("join-first", True, 1), ("survivor-is-consultation", True, 2)],
)
async def test_an_attended_transfer_leaves_the_colleague_with_the_outside_party(
    variant: str, same_participant: bool, callid: int
) -> None:
    options = SimulatorOptions(speed=20, variants=(f"attended:{variant}",))
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket():
        pbx.play("incoming-attended-transfer", transferred_talk=40.0)

        def joined() -> bool:
            legs = list(pbx.exchange.legs.get("204", {}).values())
            is_alone = "117" not in pbx.exchange.legs and len(pbx.exchange.calls) == 1
            return is_alone and bool(legs) and legs[0].participant.party_dn == "10008"

        await eventually(joined)
        (leg,) = (await client.get("/callcontrol/204/participants")).json
        assert (leg["party_caller_id"], leg["party_dn"], leg["party_dn_type"]) == (
            *("05552221133", "10008"),
            "Wexternalline",
        )
        assert (leg["callid"], leg["status"]) == (callid, "Connected")
        colleagues = {entity for kind, entity in client.events() if kind == "U" and entity.startswith("204/")}
        assert len(colleagues) == (1 if same_participant else 2)
        (active,) = (await client.get("/xapi/v1/ActiveCalls")).json["value"]
        assert (active["Id"], active["Callee"].split()[0], active["Status"]) == (callid, "204", "Talking")
        assert active["Caller"] == "10008 05552221133 (05552221133)"


async def test_active_calls_know_a_transfer_while_no_leg_is_visible() -> None:
    options = SimulatorOptions(speed=1, variants=("blind:leaves-first",))
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket():
        pbx.play("incoming-blind-transfer", speed=10.0)
        await eventually(lambda: ("R", "117/participants/5203") in client.events())
        (active,) = (await client.get("/xapi/v1/ActiveCalls?$filter=Id eq 1")).json["value"]
        assert active["Status"] == "Transferring"


async def test_makecall_names_the_outside_party_makecall_until_it_talks() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx:
        seen: list[tuple[str, str]] = []

        class Spy:
            def post(self, event: bytes) -> None:
                for leg in pbx.exchange.legs.get("117", {}).values():
                    seen.append((leg.participant.status, leg.participant.party_caller_id))

        pbx.feed.sockets.add(Spy())
        await pbx.play("makecall-answered")
        number = "05552221133"
        assert seen == [
            ("Dialing", number),
            ("Dialing", "MAKECALL"),
            ("Connected", "MAKECALL"),
            ("Connected", number),
        ]
        seen.clear()
        await pbx.play("makecall-answered", variant="makecall:name-first")
        assert seen == [
            ("Ringing", "MAKECALL"),
            ("Dialing", number),
            ("Connected", "MAKECALL"),
            ("Connected", number),
        ]


async def test_a_paused_pbx_makes_no_step() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx:
        pbx.clock.pause()
        play = pbx.play("incoming-answered")
        await asyncio.sleep(0.2)
        assert journal(pbx) == ["U 800 Connected"]
        pbx.clock.resume()
        await play
        assert journal(pbx)[-1] == "R 202"


async def test_talks_last_what_the_scenario_says_divided_by_the_speed() -> None:
    async with Simulator(SimulatorOptions(speed=10)) as pbx:
        play = await pbx.play("incoming-answered")
        (talk,) = [segment for segment in play.call.conversation.segments if segment.destination.dn == "202"]
        assert talk.answered_at is not None
        assert talk.ended_at is not None
        assert 0.6 <= talk.ended_at - talk.answered_at < 1.5


async def test_random_traffic_is_bounded_and_the_same_for_the_same_seed() -> None:
    def started(pbx: Simulator) -> list[tuple[str, str]]:
        plays = sorted([*pbx.playbill.finished, *pbx.playbill.live], key=lambda play: play.callid)
        return [(play.scenario, play.cast.number) for play in plays]

    options = SimulatorOptions(speed=20, calls_per_second=200, concurrent=20, seed=7)
    lists = []
    for _ in range(2):
        async with Simulator(options) as pbx:
            most = 0

            def busy(pbx: Simulator = pbx) -> bool:
                nonlocal most
                most = max(most, len(pbx.playbill.live))
                return pbx.playbill.played >= 60

            await eventually(busy, within=30)
            lists.append(started(pbx)[:50])
            assert most <= 20
    assert lists[0] == lists[1]
