"""`switchhook recordings`: what is kept, deleted and held, asked of a recorder that runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulator import Simulator, SimulatorOptions
from tests.deadline import eventually
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
