"""`switchhook recordings`: what is kept, deleted and held, asked of a recorder that runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.recorder.api import RecorderApi
from services.recorder.openapi import DESCRIBED
from simulator import Simulator, SimulatorOptions
from switchhook.runtime.admin import AdminServer
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import Health
from tests.deadline import eventually
from tests.described import validate
from tests.integration.commands.command import switchhook
from tests.integration.recorder.office import (
    TOKEN,
    final_event,
    publish,
    recorder_running,
    settings_for,
    sink_running,
)

if TYPE_CHECKING:
    from pathlib import Path


async def test_recordings_are_listed_held_and_deleted(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with Simulator(SimulatorOptions(speed=20)) as pbx, sink_running() as sink:
        settings = settings_for(data_dir, pbx, sink)
        async with recorder_running(settings) as running:

            async def command(*arguments: str) -> tuple[int, str]:
                where = ("--url", f"http://{running.admin}", "--token-file", str(tmp_path / "token"))
                answer = await asyncio.to_thread(switchhook, tmp_path, "recordings", *arguments, *where)
                return answer.code, answer.out + answer.err

            finals = [final_event(await pbx.play("incoming-direct")) for _ in range(2)]
            await publish(running.recorder.address, finals)
            await eventually(lambda: all(sink.of(final) for final in finals), within=30)
            first, second = (str(final.call.id) for final in finals)

            code, said = await command("list", "--limit", "1")
            assert (code, "there are more" in said) == (0, True)
            assert await command("hold", first) == (0, f"call main/{first} is held: 1 recordings\n")
            code, said = await command("purge", "--since", "1h", "--dry-run")
            assert (code, said.startswith("1 recordings (")) == (0, True)
            assert said.endswith("would be deleted; 1 are held and stay\n")
            assert len(list((data_dir / "recordings").rglob("*.mp3"))) == 2

            for empty in ({"call": ""}, {"call": "main/"}, {"pbx": ""}):
                assert (await running.ask("POST", "/recordings/purge", json=empty))[0] == 400
            assert (await running.ask("POST", "/recordings/purge", json={"since": "1h"}))[1]["files"] == 1
            assert [path.name for path in (data_dir / "recordings").rglob("*.mp3")] == [f"{first}-1-1.mp3"]
            listed = (await running.ask("GET", "/recordings?all=true"))[1]["recordings"]
            assert {(each["call"], each["gone"], each["held"]) for each in listed} == {
                (first, "", True),
                (second, "purged", False),
            }
            assert (await running.ask("GET", f"/recordings?call={second}"))[1]["recordings"] == []
            assert await command("release", first) == (0, f"call main/{first} is released: 1 recordings\n")
            assert (await running.ask("POST", "/recordings/purge", json={"call": f"main/{first}"}))[1]["files"] == 1
            assert (await running.ask("POST", "/recordings/purge", json={}))[1]["files"] == 0
            for path, body in [
                ("/recordings/hold", {"call": "260101000000_1"}),
                ("/recordings/hold", {}),
                ("/recordings/purge", {"everything": "yes"}),
                ("/recordings/purge", {"since": "soon"}),
                ("/recordings/purge", {"dry_run": "no"}),
            ]:
                assert (await running.ask("POST", path, json=body))[0] in {400, 404}, path
            assert (await running.ask("GET", "/recordings?limit=0"))[0] == 400


async def test_every_answer_is_as_it_is_described(data_dir: Path) -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx, sink_running() as sink:
        async with recorder_running(settings_for(data_dir, pbx, sink)) as running:
            final = final_event(await pbx.play("incoming-direct"))
            await publish(running.recorder.address, [final])
            await eventually(lambda: sink.of(final), within=60)
            call = {"call": final.call.id}
            for method, path, body, name in (
                ("GET", f"/recordings?call={final.call.id}&since=1h", None, "RecordingPage"),
                ("POST", "/recordings/hold", call, "HeldCall"),
                ("GET", "/recordings?limit=1&pbx=main", None, "RecordingPage"),
                ("POST", "/recordings/purge", {"dry_run": True}, "Purged"),
                ("POST", "/recordings/purge", {"since": "1h"}, "Purged"),
                ("POST", "/recordings/release", {"call": f"main/{final.call.id}"}, "HeldCall"),
                ("POST", "/recordings/purge", call, "Purged"),
                ("GET", "/recordings?all=true", None, "RecordingPage"),
            ):
                status, answer = await running.ask(method, path, json=body)
                assert status == 200, answer
                validate(answer, name, DESCRIBED)
            [gone] = answer["recordings"]
            assert gone["gone"] == "purged"
            wrong: tuple[tuple[str, str, object, int], ...] = (
                ("GET", "/recordings?colour=red", None, 400),
                ("GET", "/recordings?limit=0", None, 400),
                ("GET", "/recordings?since=yesterday", None, 400),
                ("POST", "/recordings/purge", [], 400),
                ("POST", "/recordings/purge", {"dry_run": "yes"}, 400),
                ("POST", "/recordings/hold", {}, 400),
                ("POST", "/recordings/release", {"call": "260514140000_1"}, 404),
                ("DELETE", "/recordings", None, 405),
            )
            for method, path, given, expected in wrong:
                status, answer = await running.ask(method, path, json=given)
                assert status == expected, answer
                validate(answer, "Error", DESCRIBED)
        # Its addresses are there as long as the process is.
        stopped = RecorderApi(clock=utc_now)
        async with AdminServer(
            "127.0.0.1:0", Health(), CollectorRegistry(), routes=stopped.routes, token=TOKEN
        ) as admin:
            running.admin = admin.address
            status, answer = await running.ask("GET", "/recordings")
    assert (status, answer["error"]) == (503, "not_running")
    validate(answer, "Error", DESCRIBED)
