"""Orders of software: makecall and the participant actions, and the vendor's dialer as a sequence of requests."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from yarl import URL

from simulator import Simulator, SimulatorOptions
from tests.integration.simulator.client import PbxClient, connected, eventually, journal


async def first_leg(client: PbxClient, dn: str, status: str = "") -> dict[str, Any]:
    """The first participant of a DN, once it is there (in that status)."""
    for _ in range(1000):
        for leg in (await client.get(f"/callcontrol/{dn}/participants")).json:
            if status in {"", leg["status"]}:
                found: dict[str, Any] = leg
                return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{dn} has no such leg")


async def act(client: PbxClient, leg: dict[str, Any], action: str, destination: str = "") -> int:
    body = {"destination": destination} if destination else None
    reply = await client.post(f"/callcontrol/{leg['dn']}/participants/{leg['id']}/{action}", body)
    return reply.status


async def test_the_vendors_dialer_finds_all_that_it_asks_for() -> None:
    """Token by multipart, socket, snapshot, first extension and device, call, reads on every Upsert, drop."""
    async with Simulator(SimulatorOptions(speed=20)) as pbx, aiohttp.ClientSession() as session:
        form = aiohttp.MultipartWriter("form-data")
        fields = {"client_id": "switchhook", "client_secret": "secret", "grant_type": "client_credentials"}
        for name, value in fields.items():
            form.append(value).set_content_disposition("form-data", name=name)
        async with session.post(pbx.url + "/connect/token", data=form) as response:
            token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.ws_connect(pbx.url + "/callcontrol/ws", headers=headers, heartbeat=5) as socket:
            async with session.get(pbx.url + "/callcontrol", headers=headers) as response:
                source = next(dn for dn in await response.json() if dn["type"] == "Wextension")
            device = source["devices"][0]["device_id"]
            path = f"{pbx.url}/callcontrol/{source['dn']}/devices/{quote(device, safe='')}/makecall"
            typed = headers | {"Content-Type": "application/json; charset=utf-8"}
            body = orjson.dumps({"destination": "0301234567"})
            url = URL(path, encoded=True)
            async with session.post(url, data=body, headers=typed) as response:
                made = await response.json()
            assert made["result"]["id"]
            assert made["finalstatus"] == "Success"
            seen = []
            while "Connected" not in seen:
                event = orjson.loads((await socket.receive(timeout=10)).data)["event"]
                kind, identity = event["entity"].split("/")[-2:]
                assert (event["event_type"], kind, int(identity)) == (0, "participants", made["result"]["id"])
                async with session.get(pbx.url + event["entity"], headers=headers) as response:
                    shown = await response.json()
                assert shown["device_id"] == device
                seen.append(shown["status"])
            drop = f"{pbx.url}/callcontrol/{source['dn']}/participants/{made['result']['id']}/drop"
            async with session.post(drop, headers=headers) as response:
                assert response.status == 202
            while event["event_type"] == 0:
                event = orjson.loads((await socket.receive(timeout=10)).data)["event"]
            assert event["event_type"] == 1
        assert pbx.exchange.calls == {}


@pytest.mark.parametrize(("number", "answered"), [("0123456780", False), ("0123456789", False), ("0123456785", True)])
async def test_the_last_digit_decides_what_the_outside_party_does(number: str, answered: bool) -> None:
    options = SimulatorOptions(speed=50, talk_limit=timedelta(seconds=5))
    async with Simulator(options) as pbx, connected(pbx) as client:
        assert (await client.post("/callcontrol/117/makecall", {"destination": number})).status == 200
        await eventually(lambda: not pbx.exchange.calls)
        assert ("U 117 Connected" in journal(pbx)) == answered


async def test_an_extension_that_software_calls_rings_until_it_is_answered() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        await client.post("/callcontrol/117/makecall", {"destination": "204"})
        ringing = await first_leg(client, "204", "Ringing")
        assert await act(client, ringing, "answer") == 202
        assert [(await first_leg(client, dn))["status"] for dn in ("117", "204")] == ["Connected", "Connected"]
        assert await act(client, ringing, "answer") == 424
        assert await act(client, ringing, "juggle") == 422
        assert await act(client, ringing, "drop") == 202
        assert pbx.exchange.calls == {}
        assert await act(client, ringing, "drop") == 404


async def test_an_extension_that_software_calls_may_answer_by_itself() -> None:
    options = SimulatorOptions(speed=20, auto_answer=timedelta(seconds=1))
    async with Simulator(options) as pbx, connected(pbx) as client:
        await client.post("/callcontrol/117/makecall", {"destination": "204"})
        await eventually(lambda: "U 204 Connected" in journal(pbx))


async def test_answer_takes_a_ringing_agents_call_out_of_the_queue() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        play = pbx.play("incoming-missed", speed=2.0)
        ringing = await first_leg(client, "202", "Ringing")
        assert await act(client, ringing, "answer") == 202
        assert journal(pbx)[-2:] == ["U 202 Connected", "R 820"]
        assert await act(client, ringing, "drop") == 202
        assert (await asyncio.wait_for(play, 5)).state == "ended"


async def test_divert_makes_another_extension_ring() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.play("incoming-direct", speed=1.0)
        assert await act(client, await first_leg(client, "202", "Ringing"), "divert") == 422
        assert await act(client, await first_leg(client, "202", "Ringing"), "divert", "117") == 202
        other = await first_leg(client, "117", "Ringing")
        assert journal(pbx) == ["U 202 Ringing", "R 202", "U 117 Ringing"]
        assert await act(client, other, "answer") == 202
        assert (await first_leg(client, "117"))["party_caller_id"] == "05552221133"


@pytest.mark.parametrize("action", ["transferto", "routeto"])
async def test_a_transfer_by_software_is_a_blind_one(action: str) -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, connected(pbx) as client:
        pbx.play("incoming-direct", talk=1000.0)
        talking = await first_leg(client, "202", "Connected")
        assert await act(client, talking, action, "117") == 202
        moved = await first_leg(client, "117", "Connected")
        assert (moved["referred_by_dn"], moved["party_caller_id"]) == ("202", "05552221133")
        assert journal(pbx)[2:] == ["U 117 Ringing", "R 202", "U 117 Connected"]


async def test_a_call_sent_outside_lives_on_without_a_visible_leg() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, connected(pbx) as client:
        play = pbx.play("incoming-direct", talk=1000.0)
        talking = await first_leg(client, "202", "Connected")
        assert await act(client, talking, "transferto", "0777123456") == 202
        await eventually(lambda: "R 202" in journal(pbx))
        (active,) = (await client.get("/xapi/v1/ActiveCalls")).json["value"]
        assert active["Id"] == play.callid
        assert (await client.post(f"/xapi/v1/ActiveCalls({play.callid})/Pbx.DropCall")).status == 204
        assert (await client.post(f"/xapi/v1/ActiveCalls({play.callid})/Pbx.DropCall")).status == 404
        assert play.state == "ended"


async def test_dropping_the_consultation_leaves_the_first_call_alone() -> None:
    async with Simulator(SimulatorOptions(speed=15)) as pbx, connected(pbx) as client:
        play = pbx.play("incoming-attended-transfer")
        colleague = await first_leg(client, "204", "Connected")
        assert await act(client, colleague, "drop") == 202
        assert list(pbx.exchange.calls) == [play.callid]
        await asyncio.wait_for(play, 20)
        assert play.state == "ended"


async def test_attached_data_is_told_as_an_upsert() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.play("outgoing-answered", speed=1.0)
        leg = await first_leg(client, "117")
        body = {"attacheddata": {"public_ticket": "7"}}
        path = f"/callcontrol/117/participants/{leg['id']}/attach_participant_data"
        assert (await client.post(path, body)).status == 202
        assert journal(pbx) == ["U 117 Dialing"] * 2


async def test_the_own_route_point_calls_and_has_sound_both_ways() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, connected(pbx) as client:
        made = (await client.post("/callcontrol/switchhook/makecall", {"destination": "0123"})).json
        path = f"/callcontrol/switchhook/participants/{made['result']['id']}"
        await first_leg(client, "switchhook", "Connected")
        headers = {"Authorization": f"Bearer {client.token}"}
        async with client.session.get(pbx.url + path + "/stream", headers=headers) as stream:
            assert stream.status == 200
            assert any(await stream.content.readexactly(1600))
        spoken = await client.session.post(pbx.url + path + "/stream", headers=headers, data=b"\0" * 3200)
        assert spoken.status == 200
        pbx.play("outgoing-answered", speed=1.0)
        leg = await first_leg(client, "117")
        assert (await client.get(f"/callcontrol/117/participants/{leg['id']}/stream")).status == 403
