"""`switchhook capture` and `replay-capture` as commands: what is in the file, who may read it, and whom it disturbs."""

from __future__ import annotations

import asyncio
import re
import signal
import stat
from typing import TYPE_CHECKING

import orjson
import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.commands.replay import replayed
from services.monitor.capture import CaptureFile
from services.monitor.scenario.file import read_scenario
from simulator import Simulator, SimulatorOptions
from switchhook.errors import StorageBroken
from tests.deadline import eventually
from tests.integration.commands.capturing import CONFIGURATION, capturing
from tests.integration.commands.command import switchhook
from tests.integration.commands.test_processes import started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.commands.command import Answer

CALLER = "420601222333"
MONITOR = """
[admin]
listen = "127.0.0.1:0"
[monitor]
sinks = ["unix:{folder}/nobody.sock"]
"""
ASKED = re.compile(r"asked numbers=\S+ asked=\S+ lines=0\n")


async def command(folder: Path, *arguments: str) -> Answer:
    """The command, while the PBX of the test lives on."""
    return await asyncio.to_thread(switchhook, folder, *arguments)


def fast(*faults: str) -> Simulator:
    """A PBX whose calls take a second."""
    return Simulator(SimulatorOptions(speed=8, faults=faults))


async def test_a_capture_plays_the_events_of_the_call_and_shows_nobody(tmp_path: Path) -> None:
    async with fast("party-did") as pbx, capturing(tmp_path, pbx.url) as capture:
        await pbx.play("get-incoming-answered", number=CALLER, talk=2.0)
        await pbx.play("incoming-attended-transfer", number=CALLER)
        await eventually(lambda: len(ASKED.findall(capture.text())) == 2, 20)
        said = await capture.stop()
        token = orjson.loads((tmp_path / "var" / "tokens" / "main.json").read_bytes())["token"]
        names = {dn.name for dn in pbx.exchange.directory.by_number.values() if " " in dn.name}
    text = capture.text()
    assert stat.S_IMODE(capture.file.stat().st_mode) == 0o600
    secrets = (CALLER, CALLER[3:], "420222000320", "secret", token, token.split(".")[2], pbx.url, "127.0.0.1")
    for secret in (*secrets, *names):
        assert secret not in text
    assert "unknown" not in said
    numbers = set(re.findall(r"number=(\d{7,})", text))
    assert len(numbers) == 1, "one caller, one invented number"
    replay = await command(tmp_path, "replay-capture", "capture.txt")
    assert replay.code == 0
    told = re.search(r"^events: (.*)$", said, re.MULTILINE)
    assert told is not None
    counted = dict(part.split(" ")[::-1] for part in told[1].split(", "))
    lines = [line.split()[1] for line in replay.out.splitlines()[1:] if not line.startswith("#")]
    assert {f"call.{kind}": str(lines.count(kind)) for kind in set(lines)} == counted
    assert "started 204 link=2 attended" in replay.out


async def test_every_frame_that_the_pbx_sent_is_in_the_file(tmp_path: Path) -> None:
    faults = ("duplicate-upserts", "gone-when-read", "unknown-words")
    async with fast(*faults) as pbx, capturing(tmp_path, pbx.url) as capture:
        await pbx.play("incoming-queue-ring-all")
        sent = [(row["event_type"], row["dn"]) for row in pbx.feed.journal(0)]
        await eventually(lambda: ASKED.search(capture.text()), 20)
        await capture.stop()
    lines = [line.split() for line in capture.text().splitlines() if not line.startswith(" ")]
    legs = [words[2].split("/")[0] for words in lines if words[1:2] and words[1] in ("upsert", "remove")]
    others = [words[3].split("/")[2] for words in lines if words[1:2] == ["frame"]]
    assert legs == [dn for kind, dn in sent if kind in (0, 1)]
    assert sorted(others) == sorted(str(dn) for kind, dn in sent if kind == 7)


async def test_what_was_written_is_readable_after_a_kill(tmp_path: Path) -> None:
    async with fast() as pbx, capturing(tmp_path, pbx.url) as capture:
        for _ in range(8):
            pbx.play("incoming-answered")
        await eventually(lambda: capture.text().count(" Connected ") >= 8, 20)
        capture.process.send_signal(signal.SIGKILL)
        await capture.process.wait()
    replay = await command(tmp_path, "replay-capture", "capture.txt", "--json")
    assert replay.code == 0
    assert [one["type"] for one in orjson.loads(replay.out)["events"]].count("call.ringing") >= 8
    whole = capture.text()
    cut = tmp_path / "cut.txt"
    cut.write_text(whole[:-7])
    again = await command(tmp_path, "replay-capture", str(cut))
    assert again.code == 0
    assert "its last line is not whole" in again.err
    assert read_scenario(whole).frames[:-1] == read_scenario(whole[:-7]).frames


async def test_a_capture_beside_a_monitor_uses_the_monitors_token(tmp_path: Path) -> None:
    async with fast() as pbx:
        text = CONFIGURATION.format(url=pbx.url) + MONITOR.format(folder=tmp_path)
        (tmp_path / "switchhook.toml").write_text(text)
        async with started(tmp_path, "run", "monitor"):
            await eventually(lambda: len(pbx.sockets.sessions) == 1, 60)
            capture = await command(tmp_path, "capture", "--out", "capture.txt", "--duration", "2s", "--pbx", "main")
            assert capture.code == 0, capture.err
            assert "warning" not in capture.err
            assert pbx.tokens.issued == 1
            assert len(pbx.sockets.sessions) == 1, "the monitor's socket is still there"
    assert " snapshot " in (tmp_path / "capture.txt").read_text()


async def test_a_capture_without_a_shared_token_says_what_that_means(tmp_path: Path) -> None:
    async with fast() as pbx:
        (tmp_path / "switchhook.toml").write_text(CONFIGURATION.format(url=pbx.url))
        capture = await command(tmp_path, "capture", "--out", "capture.txt", "--duration", "300ms")
    assert capture.code == 0
    assert re.search("warning: pbx main: no service shares its token .* one live token per API client", capture.err)


async def test_a_gap_is_told_from_the_call_log_in_the_file(tmp_path: Path) -> None:
    async with fast() as pbx, capturing(tmp_path, pbx.url) as capture:
        play = pbx.play("incoming-direct", number=CALLER)
        await eventually(lambda: " Ringing " in capture.text(), 20)
        pbx.fault("drop-socket", seconds=1.5)
        await play
        await eventually(lambda: capture.text().count(" connected\n") == 2 and " log " in capture.text(), 20)
        await capture.stop()
    replay = await command(tmp_path, "replay-capture", "capture.txt")
    assert "reconciled" in replay.out
    assert CALLER not in capture.text()
    assert "segment " in capture.text()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "capture.txt").write_text("precious")
    with pytest.raises(StorageBroken, match="is there already"):
        CaptureFile(tmp_path / "capture.txt")
    assert (tmp_path / "capture.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pbx", "mein"), 'pbx: "mein" is an unknown pbx (did you mean main?)'),
        (("--duration", "soon"), "--duration: must be a duration"),
        (("--duration", "0s"), "--duration: must be longer than 0s"),
    ],
)
def test_wrong_usage_is_said(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "switchhook.toml").write_text(CONFIGURATION.format(url="http://127.0.0.1:9"))
    options = ["capture", "--config", str(tmp_path / "switchhook.toml"), "--out", str(tmp_path / "capture.txt")]
    result = CliRunner().invoke(app, [*options, *arguments])
    assert said in result.stderr + str(result.exception)
    assert not (tmp_path / "capture.txt").exists()


SCENARIO = """\
# two phones talk
frames
0.0 upsert 117/1 Dialing call=10 party=204
1.0 upsert 117/1 Connected call=10 party=204
1.5 upsert 117/1 Connected call=10 party=204 +mood="calm"
2.0 remove 117/1
2.1 asked alive=
"""


def test_a_replay_prints_a_table_that_belongs_below_the_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.txt"
    file.write_text(SCENARIO)
    assert replayed(file, report_internal=False, as_json=False) == 0
    plain = capsys.readouterr().out
    assert plain.splitlines() == [
        "events",
        "# lines: 1 asked, 1 remove, 3 upsert",
        "# frames that changed nothing: 1 of 4",
        "#   1.5 upsert 117/1 Connected",
        "# unknown field participant.mood: 1",
    ]
    assert replayed(file, report_internal=True, as_json=False) == 0
    assert "2.0 ended" in capsys.readouterr().out
    file.write_text(SCENARIO + plain)
    assert replayed(file, report_internal=False, as_json=False) == 0


def test_a_table_that_says_otherwise_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.txt").write_text(f"{SCENARIO}events\n0.0 ringing 117 link=0\n")
    assert replayed(tmp_path / "one.txt", report_internal=False, as_json=False) == 1
    assert "-0.0 ringing 117 link=0" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"hello", b"\xff\xfe", b"frames\n0.0 dance 117\n"])
def test_what_is_no_capture_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.txt"
    if content is not None:
        file.write_bytes(content)
    assert replayed(file, report_internal=False, as_json=False) == 1
    assert capsys.readouterr().err.startswith(f"{file}: ")
