"""Each fault does what its name says, and nothing is left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from simulator import Simulator, SimulatorOptions
from simulator.faults import ONE_SHOT, Fault
from simulator.scenarios import SCENARIOS
from tests.integration.simulator.client import WHOLE_LOG, PbxClient, connected, eventually, journal

README = Path(__file__).parents[3] / "simulator" / "README.md"

ANSWERED = ["U 800 Connected", "R 800", "U 820 Connected", "U 202 Ringing", "U 202 Connected", "R 820", "R 202"]


async def frames_with(fault: str, scenario: str = "incoming-answered") -> list[str]:
    async with Simulator(SimulatorOptions(speed=100, faults=(fault,))) as pbx:
        await pbx.play(scenario)
        assert pbx.exchange.legs == {}
        return journal(pbx)


def test_every_fault_is_documented() -> None:
    text = README.read_text()
    missing = [fault for fault in Fault if f"`{fault}`" not in text]
    assert not missing


async def test_all_scenarios_end_with_all_lasting_faults_of_legs_together() -> None:
    quiet = {Fault.SLOW, Fault.ERROR_500, *ONE_SHOT}
    faults = tuple(fault for fault in Fault if fault not in quiet)
    async with Simulator(SimulatorOptions(speed=100, faults=faults)) as pbx:
        plays = [pbx.play(name) for name in SCENARIOS]
        for play in plays:
            await play
        assert pbx.exchange.calls == {}
        assert pbx.exchange.legs == {}


async def test_duplicate_upserts() -> None:
    frames = await frames_with("duplicate-upserts")
    assert frames == [frame for line in ANSWERED for frame in ([line, line] if line.startswith("U") else [line])]


async def test_lost_remove_loses_those_after_which_no_leg_of_the_call_is_visible() -> None:
    lost = {"R 800", "R 202"}
    assert await frames_with("lost-remove") == [frame for frame in ANSWERED if frame not in lost]
    assert await frames_with("lost-remove", "incoming-ring-group-hunt-missed") == ["U 800 Connected", "U 117 Ringing"]


async def test_remove_before_target() -> None:
    frames = await frames_with("remove-before-target", "incoming-blind-transfer")
    assert frames.index("R 117") < frames.index("U 204 Ringing")


async def test_new_id_on_join() -> None:
    frames = await frames_with("new-id-on-join", "incoming-attended-transfer")
    assert frames[-3:] == ["R 204", "U 204 Connected", "R 204"]


async def test_hidden_routing_shows_extensions_only() -> None:
    assert await frames_with("hidden-routing") == ["U 202 Ringing", "U 202 Connected", "R 202"]


async def test_phantom_legs_are_short_and_of_the_same_dn() -> None:
    frames = await frames_with("phantom-legs")
    assert frames[3:] == ["U 202 Ringing", "U 202 Ringing", "R 202", "U 202 Connected", "R 820", "R 202"]


async def test_an_unknown_kind_with_an_unknown_status_takes_part() -> None:
    assert "U 790 Beaming" in await frames_with("unknown-kind")
    async with Simulator(SimulatorOptions(faults=("unknown-kind",))) as pbx, connected(pbx) as client:
        assert (await client.get("/callcontrol/790")).json["type"] == "Wholographicplace"


async def test_gone_when_read_gives_404_for_some_upserts() -> None:
    """The client reads each Upsert at once, over the socket, the way a careful client does."""
    options = SimulatorOptions(speed=10, faults=("gone-when-read",))
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket():
        statuses: list[int] = []
        play = pbx.play("incoming-answered")
        read = told = 0
        while not play.over.is_set() or told < pbx.feed.sent:  # what was sent last may still be under way
            if read < len(client.frames):
                event = client.frames[read]["event"]
                read += 1
                told += event["event_type"] in (0, 1)
                if event["event_type"] == 0:
                    statuses.append((await client.get(event["entity"])).status)
            else:
                await asyncio.sleep(0.01)
        assert statuses.count(404) == 2, "a second device of 202, and the last Upsert of 202"


async def test_no_referred_by() -> None:
    async with Simulator(SimulatorOptions(speed=20, faults=("no-referred-by",))) as pbx:
        play = pbx.play("incoming-blind-transfer", transferred_talk=1000.0)
        await eventually(lambda: "204" in pbx.exchange.legs)
        (leg,) = pbx.exchange.legs["204"].values()
        assert (leg.participant.referred_by_dn, leg.participant.referred_by_type) == ("", "None")
        assert play.state == "live"


async def test_attached_participant() -> None:
    options = SimulatorOptions(speed=100, faults=("attached-participant",))
    async with Simulator(options) as pbx, connected(pbx) as client, client.socket():
        await pbx.play("outgoing-answered")
        await eventually(lambda: len(client.frames) == 3)
        attached = [frame["event"]["attached_data"] for frame in client.frames]
        assert [shown and shown["status"] for shown in attached] == ["Dialing", "Connected", None]


@pytest.mark.parametrize(
    ("fault", "refused", "allowed"),
    [
        ("no-call-log", "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData({})", "/xapi/v1/Recordings"),
        ("no-recordings-right", "/xapi/v1/Recordings", "/xapi/v1/Peers"),
        ("no-xapi", "/xapi/v1/ActiveCalls", "/callcontrol"),
        ("no-licence", "/callcontrol", "/xapi/v1/ActiveCalls"),
    ],
)
async def test_missing_rights_are_403(fault: str, refused: str, allowed: str) -> None:
    arguments = (
        "periodFrom=2020-01-01T00:00:00Z,periodTo=2020-01-02T00:00:00Z,sourceType=0,sourceFilter='',destinationType=0,"
        "destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='',callTimeFilterTo='',hidePcalls=true"
    )
    async with Simulator(SimulatorOptions(faults=(fault,))) as pbx, connected(pbx) as client:
        path = refused.format(arguments)
        assert (await client.get(path)).status == 403
        assert (await client.get(allowed)).status == 200
        pbx.fault(fault, on=False)
        assert (await client.get(path)).status == 200


async def test_without_licence_the_socket_is_refused() -> None:
    async with Simulator(SimulatorOptions(faults=("no-licence",))) as pbx, connected(pbx) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with client.socket():
                pass
        assert refused.value.status == 403


async def test_slow_answers_take_their_time() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.fault("slow", seconds=0.2)
        began = time.monotonic()
        assert (await client.get("/callcontrol/117")).status == 200
        assert time.monotonic() - began >= 0.2


async def test_error_500_strikes_by_its_fraction() -> None:
    async with Simulator(SimulatorOptions(seed=3)) as pbx, connected(pbx) as client:
        pbx.fault("error-500", fraction=0.5)
        statuses = [(await client.get("/callcontrol/117")).status for _ in range(60)]
        assert 10 < statuses.count(500) < 50


async def test_a_busy_pbx_says_when_to_come_back() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.fault("busy", seconds=7)
        answer = await client.get("/callcontrol/117")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_drop_socket_closes_and_refuses_new_ones_for_a_while() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client, client.socket():
        pbx.fault("drop-socket", seconds=0.3)
        await asyncio.wait_for(client.closed.wait(), 5)
        other = PbxClient(pbx, client.session, token=client.token)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with other.socket():
                pass
        assert refused.value.status == 503
        while True:
            try:
                async with other.socket():
                    break
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0.05)


async def test_expire_token_ends_token_and_socket() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client, client.socket():
        pbx.fault("expire-token")
        await asyncio.wait_for(client.closed.wait(), 5)
        assert (await client.get("/callcontrol")).status == 401
        await client.login()
        assert (await client.get("/callcontrol")).status == 200


async def test_restart_kills_calls_silently_and_starts_counting_again() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, connected(pbx) as client, client.socket():
        await pbx.play("outgoing-answered")
        play = pbx.play("incoming-answered", talk=1000.0)
        await eventually(lambda: journal(pbx)[-1] == "R 820")
        pbx.fault("restart")
        assert (await asyncio.wait_for(play, 5)).state == "killed"
        await asyncio.wait_for(client.closed.wait(), 5)
        assert journal(pbx)[-1] == "R 820", "a dead PBX tells nothing"
        assert (await client.get("/xapi/v1/ActiveCalls")).json["value"] == []
        assert pbx.play("outgoing-answered").callid == 1


async def downloads(fault: str) -> list[tuple[int, bytes]]:
    options = SimulatorOptions(speed=50, faults=(fault,), codec="pcm")
    async with Simulator(options) as pbx, connected(pbx) as client:
        await pbx.play("outgoing-answered")
        await eventually(lambda: pbx.state()["recordings_due"] == 0)
        rows = (await client.get("/xapi/v1/Recordings")).json["value"]
        replies = [await client.get(f"/xapi/v1/Recordings/Pbx.DownloadRecording(recId={row['Id']})") for row in rows]
        return [(reply.status, reply.raw) for reply in replies]


async def test_damaged_recordings() -> None:
    assert await downloads("empty-recording") == [(200, b"")]
    ((status, raw),) = await downloads("truncated-recording")
    assert (status, raw[:4]) == (200, b"RIFF")
    assert len(raw) < int.from_bytes(raw[4:8], "little")
    ((status, raw),) = await downloads("not-wav-recording")
    assert (status, raw[:5]) == (200, b"<html")
    assert await downloads("no-recording") == []


async def test_a_late_file_is_missing_at_first() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client:
        pbx.fault("late-recordings", seconds=0.3)
        await pbx.play("outgoing-answered")
        await eventually(lambda: bool(pbx.recordings.rows))
        statuses: list[int] = []
        while not statuses or statuses[-1] != 200:
            statuses.append((await client.get("/xapi/v1/Recordings/Pbx.DownloadRecording(recId=1)")).status)
            await asyncio.sleep(0.02)
        assert statuses[0] == 400


async def test_a_split_recording_has_two_files_for_one_link() -> None:
    async with Simulator(SimulatorOptions(speed=50, faults=("split-recording",))) as pbx, connected(pbx) as client:
        await pbx.play("incoming-direct")
        await eventually(lambda: bool(pbx.recordings.rows))
        first, second = (await client.get("/xapi/v1/Recordings")).json["value"]
        assert first["EndTime"] == second["StartTime"]
        assert first["RecordingUrl"] != second["RecordingUrl"]
        (row,) = (await client.get(WHOLE_LOG)).json["value"]
        assert [recording["Id"] for recording in row["Recordings"]] == [1, 2]


async def test_a_hidden_call_is_in_the_call_log_alone() -> None:
    async with Simulator(SimulatorOptions(faults=("hidden-calls",))) as pbx, connected(pbx) as client:
        play = pbx.play("incoming-direct", talk=0.2)
        await eventually(lambda: "202" in pbx.exchange.legs)
        (identity,) = pbx.exchange.legs["202"]
        assert (await client.get("/xapi/v1/ActiveCalls")).json["value"] == []
        assert all(dn["participants"] == [] for dn in (await client.get("/callcontrol")).json)
        assert (await client.get(f"/callcontrol/202/participants/{identity}")).status == 404
        await play
        assert journal(pbx) == []
        (row,) = (await client.get(WHOLE_LOG)).json["value"]
        assert (row["DestinationDn"], row["Answered"]) == ("202", True)


async def test_a_late_call_log_has_a_segment_some_time_after_it_ended() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client:
        pbx.fault("late-call-log", seconds=600.0)
        await pbx.play("incoming-direct")
        assert (await client.get(WHOLE_LOG)).json["value"] == []
        pbx.fault("late-call-log", on=False)
        assert len((await client.get(WHOLE_LOG)).json["value"]) == 1
