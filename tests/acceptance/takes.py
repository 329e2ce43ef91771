"""What is recorded on a PBX of its own, with which faults, and what must be told of each of its links."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from simulator import Simulator, SimulatorOptions
from tests.acceptance.rehearsal import talks_of

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Play

_SPEED = 4.0
_SHORTEST = 1.0  # seconds of sound that a file of the simulator has at least
_NUMBERS = 1000  # calls of a PBX, so that each call of all of them has a number of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What must be told of a link: `files` of them, or why there is none. `kind` is `ready`, `absent` or `failed`."""

    kind: str
    files: int = 0
    reason: str | None = None

    def is_told(self, form: str) -> bool:
        """Whether that format has a word for it: the old plug-in's had none for a recording that is not there."""
        return self.kind == "ready" or form != "post"


READY = Told(kind="ready", files=1)
IN_TWO = Told(kind="ready", files=2)
ABSENT = Told(kind="absent", reason="no_recording")


def failed(reason: str) -> Told:
    """No MP3 came of what there was."""
    return Told(kind="failed", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What happens (`about`), and what must come of it (`wanted`, by source).

    `lateness` is in seconds: that of a row, or where `late-recordings` strikes, of a file.
    """

    about: str
    calls: tuple[str, ...]
    wanted: dict[str, Told]
    faults: tuple[str, ...] = ()
    lateness: float = 0.0


@dataclass(slots=True, kw_only=True)
class Recorded:
    """A take as it is played: its PBX and its calls."""

    name: str
    take: Take
    pbx: Simulator
    plays: list[Play] = field(default_factory=list)

    def play_all(self) -> None:
        """The calls of the take begin."""
        self.plays += [self.pbx.play(scenario, speed=_SPEED) for scenario in self.take.calls]

    async def over(self) -> None:
        """Waits for the end of all calls."""
        for play in self.plays:
            await play

    def owed(self, form: str, source: str) -> int:
        """How many webhooks of that format there must be in the end."""
        return sum(len(talks_of(play)) for play in self.plays) if self.take.wanted[source].is_told(form) else 0

    def play_of(self, number: int) -> Play | None:
        """The call of that number, if it is one of these."""
        return next((play for play in self.plays if play.callid == number), None)


def take_on(name: str, take: Take, *, place: int, folder: Path | None) -> Recorded:
    """The take on a PBX that does not run yet; `folder` is where it writes recordings, if anywhere."""
    is_file_late = "late-recordings" in take.faults
    options = SimulatorOptions(
        faults=() if is_file_late else take.faults,
        recording_delay=timedelta(seconds=0.3 if is_file_late else max(take.lateness * _SPEED, 0.3)),
        recordings_dir=folder,
        timezone="Europe/Prague",
        first_call_number=place * _NUMBERS,
        seed=place,
    )
    pbx = Simulator(options)
    if is_file_late:
        pbx.fault("late-recordings", seconds=take.lateness)
    return Recorded(name=name, take=take, pbx=pbx)


def lengths_of(play: Play, *, files: int) -> list[list[float]]:
    """For each link of a call that is over, the seconds of sound in each of its files."""
    return [[max(talk / files, _SHORTEST)] * files for talk in talks_of(play)]
