"""Captures of a simulated PBX by the real command.

`python -m tests.integration.commands.capturing` makes those of the scenario tests anew, all or the ones that are named,
with the events that the tracker makes of them today: to be read before they are committed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator import Simulator, SimulatorOptions
from tests.deadline import eventually
from tests.integration.commands.command import command_line, environment, switchhook
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from simulator.model import Leg

SCENARIOS = ROOT / "tests" / "unit" / "monitor" / "scenarios"
CONFIGURATION = """
data_dir = "var"
[[pbx]]
name = "main"
url = "{url}"
client_id = "switchhook"
client_secret = "secret"
timezone = "Europe/Prague"
"""
_SPEED = 5.0
_SETTLED = 1.5  # seconds after the last call until the capture is stopped


@dataclass(frozen=True, slots=True)
class Capturing:
    """A capture that runs, and its file."""

    process: Process
    file: Path

    def text(self) -> str:
        """What was written so far."""
        return self.file.read_text() if self.file.exists() else ""

    async def stop(self) -> str:
        """Ctrl-C; gives what the command said."""
        self.process.send_signal(signal.SIGINT)
        _, said = await asyncio.wait_for(self.process.communicate(), 30)
        assert self.process.returncode == 0, said.decode()
        return said.decode()


@asynccontextmanager
async def capturing(folder: Path, url: str, *options: str, name: str = "capture.txt") -> AsyncIterator[Capturing]:
    """The command, once it follows the PBX; killed at the end when it still runs."""
    (folder / "switchhook.toml").write_text(CONFIGURATION.format(url=url))
    process = await asyncio.create_subprocess_exec(
        *command_line("capture", "--out", name, *options),
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    one = Capturing(process, folder / name)
    try:
        await eventually(lambda: " connected\n" in one.text() or process.returncode is not None, 30)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def plays(scenario: str, variant: str = "", **cast: Any) -> Callable[[Simulator], Awaitable[None]]:
    """One call from its begin to its end."""

    async def script(pbx: Simulator) -> None:
        await pbx.play(scenario, variant=variant or (), **cast)

    return script


async def gap(pbx: Simulator) -> None:
    """The socket is lost in mid-call; the call ends, and another comes and goes, before it is back."""
    play = pbx.play("incoming-blind-transfer")
    await eventually(lambda: "117" in pbx.exchange.legs, 20)
    pbx.fault("drop-socket", seconds=4.0)
    await play
    await pbx.play("incoming-direct", number="420601222333")


async def restart(pbx: Simulator) -> None:
    """The PBX restarts in mid-call; another caller gets the number of the call that was cut off."""
    pbx.play("incoming-direct")
    await eventually(lambda: any(leg.participant.status == "Connected" for leg in _legs(pbx, "202")), 20)
    pbx.fault("restart", seconds=0.5)
    await asyncio.sleep(1.2)  # no PBX is back within the second in which a call of that number began
    await pbx.play("incoming-direct", number="420601222333", extension="117")


async def two_at_once(pbx: Simulator) -> None:
    """Two calls of one caller at once."""
    first = pbx.play("incoming-answered")
    second = pbx.play("incoming-queue-ring-all")
    await first
    await second


def _legs(pbx: Simulator, dn: str) -> list[Leg]:
    return list(pbx.exchange.legs.get(dn, {}).values())


CAPTURED: Mapping[str, tuple[Callable[[Simulator], Awaitable[None]], tuple[str, ...]]] = {
    "attended_transfer_leg_keeps_its_id": (plays("incoming-attended-transfer", "attended:same-id"), ()),
    "attended_transfer_leg_gets_a_new_id": (plays("incoming-attended-transfer", "attended:new-id"), ()),
    "attended_transfer_join_before_removes": (plays("incoming-attended-transfer", "attended:join-first"), ()),
    "attended_transfer_survives_as_consultation": (
        plays("incoming-attended-transfer", "attended:survivor-is-consultation"),
        (),
    ),
    "blind_transfer_answered": (plays("incoming-blind-transfer", "blind:leaves-on-answer"), ()),
    "blind_transfer_returns": (plays("incoming-blind-transfer", "blind:returns"), ()),
    "blind_transfer_unanswered": (plays("incoming-blind-transfer", "blind:unanswered"), ("no-referred-by",)),
    "consultation_without_join": (plays("incoming-consultation"), ()),
    "queue_hunts": (plays("incoming-queue-hunt"), ("duplicate-upserts",)),
    "queue_rings_all": (plays("incoming-queue-ring-all"), ("gone-when-read",)),
    "ring_group_rings_all": (plays("incoming-ring-group-ring-all"), ()),
    "ring_group_missed": (plays("incoming-ring-group-hunt-missed"), ()),
    "makecall_number_first": (plays("makecall-answered", "makecall:number-first"), ()),
    "makecall_name_first": (plays("makecall-answered", "makecall:name-first"), ()),
    "routing_is_hidden": (plays("incoming-answered"), ("hidden-routing",)),
    "unknown_kind_and_words": (plays("incoming-answered"), ("unknown-kind", "unknown-words")),
    "internal_call": (plays("internal-answered"), ()),
    "two_calls_at_once": (two_at_once, ()),
    "gap_with_a_call_in_it": (gap, ()),
    "pbx_restarts_in_mid_call": (restart, ()),
}


async def captured(
    folder: Path, script: Callable[[Simulator], Awaitable[None]], *, faults: tuple[str, ...] = ()
) -> Path:
    """The file of a capture of this script, whole."""
    async with Simulator(SimulatorOptions(speed=_SPEED, faults=faults)) as pbx, capturing(folder, pbx.url) as capture:
        await script(pbx)
        await eventually(lambda: not pbx.exchange.calls and pbx.sockets.sessions, 20)
        await asyncio.sleep(_SETTLED)
        await capture.stop()
    return capture.file


async def main(*chosen: str) -> None:
    """Makes the scenario files, all or the chosen ones."""
    for name, (script, faults) in CAPTURED.items():
        if chosen and name not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = await captured(Path(folder), script, faults=faults)
            events = switchhook(Path(folder), "replay-capture", str(file))
            title = f"# {script.__doc__ or name.replace('_', ' ')} (simulated; {', '.join(faults) or 'no faults'})"
            text = file.read_text()
            (SCENARIOS / f"captured_{name}.txt").write_text(f"{title}\n{text}{events.out}")
            print(f"{name}\n{events.out}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
