"""Tokens, /callcontrol over HTTP, and the websocket."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import quote

import aiohttp
import pytest

from simulator import Simulator, SimulatorOptions
from tests.integration.simulator.client import PbxClient, connected, eventually


async def test_a_token_is_given_for_both_encodings_and_for_the_right_secret_only() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        assert (await client.login(secret="wrong")).status == 401
        reply = await client.login()
        assert (reply.status, reply.json["expires_in"], reply.json["token_type"]) == (200, 3600, "Bearer")
        form = aiohttp.MultipartWriter("form-data")
        fields = {"client_id": "switchhook", "client_secret": "secret", "grant_type": "client_credentials"}
        for name, value in fields.items():
            form.append(value).set_content_disposition("form-data", name=name)
        async with client.session.post(pbx.url + "/connect/token", data=form) as response:
            assert response.status == 200


async def test_an_old_pbx_counts_the_life_of_a_token_in_minutes() -> None:
    async with Simulator(SimulatorOptions(expires_in_minutes=True)) as pbx, connected(pbx) as client:
        assert (await client.login()).json["expires_in"] == 60


async def test_a_new_token_ends_the_old_one_for_http_but_not_the_open_socket() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client, client.socket() as socket:
        old = client.token
        await client.login()
        assert (await client.ask("GET", "/callcontrol", token=old)).status == 401
        assert (await client.get("/callcontrol")).status == 200
        await socket.send_str('{"RequestID":"1","Path":"/callcontrol/117","RequestData":null}')
        await eventually(lambda: bool(client.responses()))
        assert client.responses()[0]["StatusCode"] == 200


async def test_a_token_ends_after_its_life() -> None:
    options = SimulatorOptions(token_lifetime=timedelta(seconds=0.2))
    async with Simulator(options) as pbx, connected(pbx) as client:
        statuses = [(await client.get("/callcontrol")).status]
        while statuses[-1] == 200:
            await asyncio.sleep(0.02)
            statuses.append((await client.get("/callcontrol")).status)
        assert statuses[0] == 200
        assert statuses[-1] == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/callcontrol/117", None, 200),
        ("GET", "/callcontrol/117/devices", None, 200),
        ("GET", "/callcontrol/117/devices/sip%3Anobody", None, 404),
        ("GET", "/callcontrol/117/participants", None, 200),
        ("GET", "/callcontrol/117/participants/99", None, 404),
        ("GET", "/callcontrol/117/nothing", None, 404),
        ("GET", "/callcontrol/9999", None, 404),
        ("GET", "/callcontrol/840", None, 403),
        ("GET", "/callcontrol/10007", None, 403),
        ("POST", "/callcontrol/117", None, 405),
        ("DELETE", "/callcontrol", None, 405),
        ("GET", "/callcontrol/117/makecall", None, 405),
        ("GET", "/callcontrol/117/participants/99/drop", None, 405),
        ("POST", "/callcontrol/117/makecall", {}, 422),
        ("POST", "/callcontrol/117/makecall", {"destination": "1", "reason": "Whim"}, 422),
        ("POST", "/callcontrol/117/makecall", [], 422),
        ("POST", "/callcontrol/117/participants/99/drop", None, 404),
    ],
)
async def test_paths_give_their_status(method: str, path: str, body: object, status: int) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        assert (await client.ask(method, path, body)).status == status
        assert (await client.ask(method, path, body, token="no")).status == 401


async def test_a_snapshot_shows_every_visible_dn_with_its_participants_and_devices() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        play = pbx.play("outgoing-answered", speed=1.0)
        snapshot = {dn["dn"]: dn for dn in (await client.get("/callcontrol")).json}
        assert {snapshot[number]["type"] for number in ("117", "800", "820", "switchhook")} == {
            *("Wextension", "Wivr", "Wqueue", "Wroutepoint"),
        }
        assert not {"840", "841", "10007"} & snapshot.keys()
        (leg,) = snapshot["117"]["participants"]
        assert (leg["callid"], leg["status"], leg["party_dn_type"]) == (play.callid, "Dialing", "Wexternalline")
        (device,) = snapshot["117"]["devices"]
        again = await client.get(f"/callcontrol/117/devices/{quote(device['device_id'], safe='')}")
        assert again.json == device


async def test_a_participant_has_the_documented_fields_in_their_order() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.play("outgoing-answered", speed=1.0)
        (leg,) = (await client.get("/callcontrol/117/participants")).json
        assert list(leg) == [
            *("id", "status", "dn", "party_caller_name", "party_dn", "party_caller_id", "party_did", "device_id"),
            *("party_dn_type", "direct_control", "originated_by_dn", "originated_by_type", "referred_by_dn"),
            *("referred_by_type", "on_behalf_of_dn", "on_behalf_of_type", "callid", "legid"),
        ]


async def ask_over_socket(client: PbxClient, socket: aiohttp.ClientWebSocketResponse, asked: str) -> dict[str, object]:
    before = len(client.responses())
    await socket.send_str(asked)
    await eventually(lambda: len(client.responses()) > before)
    return client.responses()[-1]


async def test_a_socket_carries_requests_of_every_kind() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client, client.socket() as socket:
        shown = await ask_over_socket(client, socket, '{"RequestID":"a","Path":"/callcontrol/117","RequestData":null}')
        assert (shown["RequestID"], shown["Path"], shown["StatusCode"]) == ("a", "/callcontrol/117", 200)
        assert isinstance(shown["Response"], dict)
        assert shown["Response"]["dn"] == "117"
        made = await ask_over_socket(
            client, socket, '{"RequestID":2,"Path":"/callcontrol/117/makecall","RequestData":{"destination":"0123"}}'
        )
        assert (made["RequestID"], made["StatusCode"]) == (2, 200)
        missing = await ask_over_socket(client, socket, '{"RequestID":"3","Path":"/callcontrol/117/participants/1"}')
        assert missing["StatusCode"] == 404
        sequences = [frame["sequence"] for frame in client.frames]
        assert sequences == list(range(1, len(sequences) + 1))


async def test_an_answer_too_large_for_a_message_is_refused() -> None:
    options = SimulatorOptions(extensions=500)
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket() as socket:
        answer = await ask_over_socket(client, socket, '{"RequestID":"1","Path":"/callcontrol","RequestData":null}')
        assert answer["StatusCode"] == 413
        assert len((await client.get("/callcontrol")).json) > 500


async def test_what_is_no_request_is_passed_over() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client, client.socket() as socket:
        for text in ("", "[]", "{}", '{"Path":1}', '"x"'):
            await socket.send_str(text)
        answer = await ask_over_socket(client, socket, '{"RequestID":"1","Path":"/elsewhere"}')
        assert answer["StatusCode"] == 404
        assert len(client.responses()) == 1


async def test_every_socket_gets_every_frame_with_its_own_sequence() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as one, one.socket():
        other = PbxClient(pbx, one.session, token=one.token)
        async with other.socket():
            await pbx.play("outgoing-answered")
            await eventually(lambda: len(one.frames) == len(other.frames) == 3)
            assert one.frames == other.frames
            assert one.frames[0]["event"]["attached_data"] is None


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.sockets._OUTBOX_LIMIT", 50)
    async with Simulator(SimulatorOptions(speed=100)) as pbx, connected(pbx) as client, client.socket():
        await eventually(lambda: len(pbx.sockets.sessions) == 1)
        (session,) = pbx.sockets.sessions
        for _ in range(100):
            session.post(b'"%b"' % (b"x" * 200_000))
        await eventually(lambda: not pbx.sockets.sessions)
        await asyncio.wait_for(client.closed.wait(), 5)
        await pbx.play("outgoing-answered")


async def test_a_socket_wants_a_token() -> None:
    async with Simulator(SimulatorOptions()) as pbx, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(pbx.url + "/callcontrol/ws")
        assert refused.value.status == 401


async def test_only_chosen_dns_are_seen_and_the_choice_can_change() -> None:
    options = SimulatorOptions(speed=50, monitored=("102",))
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket():
        await pbx.play("outgoing-answered")
        assert pbx.feed.sent == 0
        (principal,) = (await client.get("/xapi/v1/ServicePrincipals")).json["value"]
        assert [peer["Number"] for peer in principal["Peers"]] == ["102"]
        path = f"/xapi/v1/ServicePrincipals({principal['Id']})"
        assert (await client.ask("PATCH", path, {"Peers": [{"Number": "117"}, {"Number": "840"}]})).status == 204
        await pbx.play("outgoing-answered")
        assert pbx.feed.sent == 3
        assert (await client.get("/callcontrol/102")).status == 403
        assert (await client.get("/callcontrol/840")).status == 403
