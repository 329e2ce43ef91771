"""XAPI: live calls, directory, call log, recordings, rights and the vendor's odd answers."""

from __future__ import annotations

import asyncio
import subprocess
import wave
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import pytest

from simulator import Simulator, SimulatorOptions
from simulator.sound import Codec
from tests.integration.simulator.client import CALL_LOG, WHOLE_LOG, PbxClient, connected, eventually

if TYPE_CHECKING:
    from pathlib import Path


def decode(chid: str) -> tuple[datetime, int]:
    digits = chid.replace("-", "")
    ticks, number = int(digits[8:24], 16), int(digits[24:32], 16)
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10), number


async def recorded(client: PbxClient, count: int) -> list[dict[str, Any]]:
    await eventually(lambda: len(client.pbx.recordings.rows) >= count)
    rows: list[dict[str, Any]] = (await client.get("/xapi/v1/Recordings?$orderby=Id asc")).json["value"]
    return rows


async def test_active_calls_are_found_by_id_and_by_any_filter() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        for _ in range(3):
            pbx.play("incoming-answered", speed=0.1)

        async def ids(query: str) -> list[int]:
            return [row["Id"] for row in (await client.get(f"/xapi/v1/ActiveCalls{query}")).json["value"]]

        assert await ids("") == [1, 2, 3]
        assert await ids("?$filter=Id eq 3 or Id eq 1 or Id eq 99") == [1, 3]
        assert await ids("?$filter=Id gt 1&$top=1") == [2]
        assert await ids("?$filter=contains(Callee,'Main') and Status eq 'Talking'&$orderby=Id desc") == [3, 2, 1]
        (row,) = (await client.get("/xapi/v1/ActiveCalls?$filter=Id eq 1")).json["value"]
        assert row["Callee"] == "800 Main Menu"
        assert row["Caller"] == "10008 05552221133 (05552221133)"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Users?$top=100", 200),
        ("Users?$top=101", 400),
        ("Users?$filter=Nothing eq 1", 400),
        ("Users?$apply=x", 400),
        ("Users(501)", 200),
        ("Users(1)", 404),
        ("Recordings(1)", 404),
        ("Nothing", 404),
        ("ReportCallLogData/Pbx.GetCallLogData(periodFrom=2020-01-01T00:00:00Z)", 404),
    ],
)
async def test_paths_give_their_status_and_errors_the_vendors_form(path: str, status: int) -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        reply = await client.get(f"/xapi/v1/{path}")
        assert reply.status == status
        if status != 200:
            assert set(reply.json["error"]) == {"code", "message", "target", "details", "innerError"}
        assert (await client.ask("GET", f"/xapi/v1/{path}", token="no")).status == 401


async def test_a_malformed_date_is_an_error_of_the_server() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        assert (await client.get(CALL_LOG.format(begin="yesterday", end="today"))).status == 500


async def test_the_did_of_a_call_can_be_found_only_where_the_pbx_tells() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client:
        trunks = {row["Number"]: row for row in (await client.get("/xapi/v1/Trunks")).json["value"]}
        assert trunks["10007"]["DidNumbers"] == ["420222000320"]
        assert len(trunks["10008"]["DidNumbers"]) == 2
        rules = {row["Data"]: row["RuleName"] for row in (await client.get("/xapi/v1/InboundRules")).json["value"]}
        assert rules["*420222000320"] == "DID-420222000320"
        dids = {}

        class Spy:
            def post(self, event: bytes) -> None:
                for dn, legs in pbx.exchange.legs.items():
                    dids[dn] = {leg.participant.party_did for leg in legs.values()}

        pbx.feed.sockets.add(Spy())
        await pbx.play("get-incoming-answered")
        assert dids == {"800": {"420222000320"}, "804": {"420222000320"}, "102": {""}}
        await pbx.play("incoming-answered")
        assert (dids["800"], dids["820"], dids["202"]) == ({""}, {""}, {""})
        pbx.fault("party-did")
        await pbx.play("get-incoming-answered")
        assert dids["102"] == {"420222000320"}


async def log_rows(client: PbxClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await client.get(WHOLE_LOG)).json["value"]
    return rows


async def test_the_call_log_has_a_row_for_each_stop_of_a_call() -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, connected(pbx) as client:
        play = await pbx.play("incoming-queue-hunt")
        await recorded(client, 1)
        rows = await log_rows(client)
        assert [(row["DestinationDn"], row["Answered"], row["CallType"]) for row in rows] == [
            ("800", True, "IVR"),
            ("820", True, "Queue"),
            ("202", False, "Extension"),
            ("117", True, "Extension"),
        ]
        assert rows[1]["Direction"] == "Inbound Queue"
        assert rows[1]["Reason"].endswith("(117)")
        assert " was replaced by " in rows[1]["Reason"]
        last = rows[-1]
        assert last["Reason"].startswith("Ended by ")
        assert last["DstRecId"] == last["Recordings"][0]["Id"] == 1
        assert last["SrcRecId"] is None
        began, number = decode(last["CallHistoryId"])
        assert number == play.callid
        assert abs(began.timestamp() - play.call.started_at) < 0.001
        assert len({row["MainCallHistoryId"] for row in rows}) == 1


async def test_a_call_in_progress_shows_only_what_is_finished_of_it() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        pbx.play("incoming-answered", speed=20.0, talk=1000.0)
        await eventually(lambda: "202" in pbx.exchange.legs and "820" not in pbx.exchange.legs)
        assert [row["DestinationDn"] for row in await log_rows(client)] == ["800", "820"]


@pytest.mark.parametrize("variant", ["same-id", "new-id", "join-first", "survivor-is-consultation"])
async def test_joined_calls_have_one_main_history_id(variant: str) -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client:
        play = await pbx.play("incoming-attended-transfer", variant=f"attended:{variant}")
        rows = await log_rows(client)
        assert {row["MainCallHistoryId"] for row in rows} == {play.call.history_id}
        assert {decode(row["CallHistoryId"])[1] for row in rows} == {1, 2}
        assert {row["DestinationDn"] for row in rows if row["SourceDn"] == "10008"} == {"800", "820", "117", "204"}
        links = await recorded(client, 2)
        assert [row["ToDn"] for row in links] == ["117", "204"]
        assert links[0]["RecordingUrl"].endswith("(1).wav")
        survivor = 2 if variant == "survivor-is-consultation" else 1
        assert links[1]["RecordingUrl"].endswith(f"({survivor}).wav")


async def test_the_call_log_can_be_narrowed_and_paged() -> None:
    async with Simulator(SimulatorOptions(speed=50)) as pbx, connected(pbx) as client:
        for _ in range(3):
            await pbx.play("outgoing-answered")
        await pbx.play("outgoing-missed")
        rows = await log_rows(client)
        assert [row["CallId"] for row in rows] == [1, 2, 3, 4], "newest first, numbered within the answer"
        assert [decode(row["CallHistoryId"])[1] for row in rows] == [4, 3, 2, 1]
        page = (await client.get(f"{WHOLE_LOG}?$top=2&$skip=1&$count=true")).json
        assert page["@odata.count"] == 4
        assert page["value"] == rows[1:3]
        unanswered = (await client.get(WHOLE_LOG.replace("callsType=0", "callsType=2"))).json["value"]
        assert [row["Status"] for row in unanswered] == ["Unanswered"]
        later = CALL_LOG.format(begin=rows[1]["StartTime"], end="2100-01-01T00:00:00.000Z")
        assert len((await client.get(later.replace(":", "%3A"))).json["value"]) == 2
        assert (await client.get(f"{WHOLE_LOG}?$filter=Status eq 'Unanswered'")).json["value"] == [
            row for row in rows if not row["Answered"]
        ]
        stamp = (await client.get("/xapi/v1/LastCdrAndChatMessageTimestamp")).json["LastCdrStartedAt"]
        assert abs(datetime.fromisoformat(stamp).timestamp() - decode(rows[0]["CallHistoryId"])[0].timestamp()) < 0.01


async def test_a_recording_is_listed_after_the_whole_call_with_its_fields() -> None:
    options = SimulatorOptions(speed=20, timezone="Europe/Prague")
    async with Simulator(options) as pbx, connected(pbx) as client:
        inbound = await pbx.play("get-incoming-answered")
        await recorded(client, 1)
        await pbx.play("outgoing-answered")
        first, second = await recorded(client, 2)
        local = datetime.fromisoformat(first["StartTime"]).astimezone(pbx.recordings.zone).strftime("%Y%m%d%H%M%S")
        assert first["RecordingUrl"] == f"102/[420774852629]_420774852629-102_{local}({inbound.callid}).wav"
        assert (first["FromDn"], first["ToDn"], first["FromDidNumber"]) == ("10007", "102", "420222000320")
        assert (first["FromCallerNumber"], first["ToCallerNumber"]) == ("420774852629", "Ext.102")
        assert (second["FromDn"], second["ToDn"], second["CallType"]) == ("117", "10007", "OutboundExternal")
        assert second["RecordingUrl"].startswith("117/[05552221133]_117-05552221133_")
        only = (await client.get("/xapi/v1/Recordings?$filter=Id gt 1&$orderby=Id asc&$top=50")).json["value"]
        assert only == [second]


def played_seconds(raw: bytes, path: Path) -> float:
    """How long ffmpeg plays it; ffmpeg fails on anything that is not sound."""
    path.write_bytes(raw)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-xerror", "-i", str(path)]
    command += ["-f", "s16le", "-ac", "1", "-ar", "8000", "-"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout) / 16000


@pytest.mark.parametrize("codec", list(Codec))
async def test_a_download_is_a_file_that_ffmpeg_plays(codec: Codec, tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(speed=10, codec=codec)) as pbx, connected(pbx) as client:
        await pbx.play("outgoing-answered", talk=11.0)
        (row,) = await recorded(client, 1)
        reply = await client.get(f"/xapi/v1/Recordings/Pbx.DownloadRecording(recId={row['Id']})")
        assert reply.headers["Content-Type"] == "audio/x-wav"
        assert row["RecordingUrl"].rpartition("/")[2] in reply.headers["Content-Disposition"]
        seconds = await asyncio.to_thread(played_seconds, reply.raw, tmp_path / "download.wav")
        begin, end = (datetime.fromisoformat(row[name]).timestamp() for name in ("StartTime", "EndTime"))
        assert seconds == pytest.approx(end - begin, abs=0.05)
        by_query = await client.ask(
            "GET", f"/xapi/v1/Recordings/Pbx.DownloadRecording(recId=1)?access_token={client.token}", token=""
        )
        assert by_query.raw == reply.raw


async def test_a_recording_has_a_second_of_sound_at_least() -> None:
    async with Simulator(SimulatorOptions(speed=100, codec="pcm")) as pbx, connected(pbx) as client:
        await pbx.play("outgoing-answered")
        await recorded(client, 1)
        reply = await client.get("/xapi/v1/Recordings/Pbx.DownloadRecording(recId=1)")
        with wave.open(BytesIO(reply.raw)) as sound:
            assert (sound.getnframes(), sound.getframerate()) == (8000, 8000)


async def test_recordings_can_be_laid_out_in_a_directory(tmp_path: Path) -> None:
    options = SimulatorOptions(speed=100, recordings_dir=tmp_path)
    async with Simulator(options) as pbx, connected(pbx) as client:
        await pbx.play("incoming-blind-transfer")
        rows = await recorded(client, 2)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.wav"))  # noqa: ASYNC240 - a test
    assert files == sorted(row["RecordingUrl"] for row in rows)


async def test_the_oldest_recordings_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.recordings._KEPT_RECORDINGS", 10)
    async with Simulator(SimulatorOptions(speed=200)) as pbx, connected(pbx) as client:
        plays = [pbx.play("outgoing-answered") for _ in range(12)]
        for play in plays:
            await play
        await eventually(lambda: pbx.state()["recordings_due"] == 0)
        rows = (await client.get("/xapi/v1/Recordings")).json["value"]
        assert [row["Id"] for row in rows] == list(range(3, 13))
        newer = (await client.get("/xapi/v1/Recordings?$filter=Id gt 10")).json["value"]
        assert [row["Id"] for row in newer] == [11, 12]
        assert (await client.get("/xapi/v1/Recordings/Pbx.DownloadRecording(recId=1)")).status == 400


async def test_a_file_that_is_not_there_is_a_bad_request() -> None:
    async with Simulator(SimulatorOptions()) as pbx, connected(pbx) as client:
        reply = await client.get("/xapi/v1/Recordings/Pbx.DownloadRecording(recId=7)")
        assert reply.status == 400
        assert reply.json == {"error": {"code": "400", "message": "WARNINGS.XAPI.FILE_NOT_FOUND"}}
