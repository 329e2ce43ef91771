"""The control address, the command line, and TLS."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator import Simulator, SimulatorOptions
from simulator.__main__ import main
from tests.integration.simulator.client import connected, eventually


async def told(session: aiohttp.ClientSession, url: str, body: object = None) -> tuple[int, Any]:
    request = session.get(url) if body is None else session.post(url, json=body)
    async with request as response:
        return response.status, await response.json()


async def test_the_control_address_plays_and_tells_what_was() -> None:
    async with Simulator(SimulatorOptions()) as pbx, aiohttp.ClientSession() as session:
        asked = {"scenario": "incoming-blind-transfer", "variant": "blind:returns", "speed": 50, "caller": "0777"}
        status, play = await told(session, pbx.control_url + "/play", asked | {"wait": True, "extension": "102"})
        assert (status, play["callid"], play["state"], play["number"]) == (200, 1, "ended", "0777")
        _, calls = await told(session, pbx.control_url + "/calls")
        assert calls["calls"] == [play]
        assert [segment["dn"] for segment in play["segments"]] == ["800", "820", "102", "204", "102"]
        _, journal = await told(session, pbx.control_url + "/journal?after=2")
        assert [frame["number"] for frame in journal["frames"]] == list(range(3, journal["last"] + 1))
        assert set(journal["frames"][0]) == {"number", "at", "callid", "dn", "participant", "status", "event_type"}
        _, state = await told(session, pbx.control_url + "/state")
        assert (state["played"], state["live"], state["paused"]) == (1, 0, False)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/play", {"scenario": "nothing"}),
        ("/play", {"scenario": "incoming-answered", "variant": "blind:sideways"}),
        ("/play", {"scenario": "incoming-answered", "extension": "9999"}),
        ("/play", {"scenario": "incoming-answered", "speed": "fast"}),
        ("/play", {"scenario": "incoming-answered", "members": "117"}),
        ("/fault", {"name": "nothing"}),
    ],
)
async def test_what_the_control_address_does_not_understand_is_400(path: str, body: object) -> None:
    async with Simulator(SimulatorOptions()) as pbx, aiohttp.ClientSession() as session:
        status, answer = await told(session, pbx.control_url + path, body)
        assert status == 400
        assert answer["error"]


async def test_the_control_address_pauses_and_switches_faults() -> None:
    async with Simulator(SimulatorOptions()) as pbx, aiohttp.ClientSession() as session:
        assert (await told(session, pbx.control_url + "/pause", {}))[1]["paused"]
        _, play = await told(session, pbx.control_url + "/play", {"scenario": "outgoing-answered", "speed": 100})
        _, answer = await told(session, pbx.control_url + "/fault", {"name": "slow", "seconds": 0.5})
        assert answer["state"]["faults"] == ["slow"]
        _, answer = await told(session, pbx.control_url + "/fault", {"name": "slow", "on": False})
        assert answer["state"]["faults"] == []
        assert answer["state"]["active_calls"] == 1
        assert not (await told(session, pbx.control_url + "/resume", {}))[1]["paused"]
        await eventually(lambda: not pbx.exchange.calls)
        _, calls = await told(session, pbx.control_url + "/calls")
        assert calls["calls"][0]["callid"] == play["callid"]
        assert calls["calls"][0]["state"] == "ended"


async def test_the_command_line_serves_plays_and_stops() -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-W", "error", "-m", "simulator", "--port", "0", "--control-port", "0"]
        command += ["--speed", "50", "--scenario", "incoming-answered", "--scenario", "outgoing-missed"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=Path(__file__).parents[3],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        async with aiohttp.ClientSession() as session:
            calls: list[Any] = []
            while [call["state"] for call in calls] != ["ended", "ended"]:
                calls = (await told(session, ready["control_url"] + "/calls"))[1]["calls"]
                await asyncio.sleep(0.05)
            assert [call["scenario"] for call in calls] == ["incoming-answered", "outgoing-missed"]
            async with session.get(ready["url"] + "/callcontrol") as response:
                assert response.status == 401
        process.send_signal(signum)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("wrong", [["--scenario", "x"], ["--fault", "x"], ["--variant", "blind:x"]])
def test_a_wrong_name_is_a_usage_error(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(wrong)
    assert left.value.code == 2
    assert "known:" in capsys.readouterr().err


async def test_a_taken_port_is_a_failure() -> None:
    async with Simulator(SimulatorOptions()) as pbx:
        command = [sys.executable, "-m", "simulator", "--port", pbx.url.rpartition(":")[2], "--control-port", "0"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=Path(__file__).parents[3], stderr=asyncio.subprocess.PIPE
        )
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        assert b"simulator: " in errors
        assert b"Traceback" not in errors


async def test_with_tls_a_client_that_trusts_the_certificate_is_served(tmp_path: Path) -> None:
    options = SimulatorOptions(tls=True, certificate_dir=tmp_path, speed=100)
    async with Simulator(options) as pbx:
        assert pbx.certificate is not None
        trusted = ssl.create_default_context(cafile=str(pbx.certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            form = {"client_id": "switchhook", "client_secret": "secret", "grant_type": "client_credentials"}
            async with session.post(pbx.url + "/connect/token", data=form) as response:
                headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
            async with session.ws_connect(pbx.url + "/callcontrol/ws", headers=headers) as socket:
                pbx.play("outgoing-answered")
                assert (await socket.receive_json(timeout=5))["sequence"] == 1
        async with aiohttp.ClientSession() as stranger:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await stranger.get(pbx.url + "/callcontrol")


async def test_a_given_certificate_is_used(tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(tls=True, certificate_dir=tmp_path)):
        pass
    options = SimulatorOptions(certificate=tmp_path / "pbx-certificate.pem", private_key=tmp_path / "pbx-key.pem")
    async with Simulator(options) as pbx, aiohttp.ClientSession() as session:
        trusted = ssl.create_default_context(cafile=str(options.certificate))
        async with session.get(pbx.url + "/callcontrol", ssl=trusted) as response:
            assert response.status == 401


async def test_a_failing_scenario_ends_its_call_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with Simulator(SimulatorOptions(speed=100)) as pbx, connected(pbx) as client:
        play = pbx.play("incoming-answered")
        pbx.exchange.directory.by_number.pop("820")
        await asyncio.wait_for(play, 5)
        assert "play.failed" in caplog.text
        assert (await client.get("/callcontrol")).status == 200
