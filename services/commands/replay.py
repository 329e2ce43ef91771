"""A capture played to the pure tracker, and printed: as the table that belongs below its frames, or as JSON."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from services.commands.configuration import FAILED, complain
from services.monitor.scenario.file import read_scenario
from services.monitor.scenario.notation import ScenarioError
from services.monitor.scenario.playing import NOTES, steps, table
from services.monitor.scenario.shown import participant_of
from services.monitor.unknowns import Unknowns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.monitor.scenario.file import Scenario
    from services.monitor.scenario.notation import Observation
    from switchhook.events import Event

_FRAMES = ("upsert", "remove")


@dataclass(slots=True)
class Replay:
    """What came of a scenario."""

    events: list[Event] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    idle: list[str] = field(default_factory=list)
    """Frames that changed nothing, as `moment verb leg`."""
    unknowns: Unknowns = field(default_factory=Unknowns)


def replayed(path: Path, *, report_internal: bool, as_json: bool) -> int:
    """Prints what comes of the file; exit code 1 when it cannot be read, or holds a table that says otherwise."""
    try:
        scenario = read_scenario(path.read_text(encoding="utf-8"))
        replay = play(scenario, report_internal=report_internal)
    except OSError as error:
        complain([f"{path}: cannot be read ({error.strerror})"])
        return FAILED
    except (ScenarioError, UnicodeDecodeError) as error:
        complain([f"{path}: {error}"])
        return FAILED
    lines = table(replay.events, scenario.start)
    sys.stdout.write(_json(scenario, replay) if as_json else _text(scenario, replay, lines))
    sys.stdout.flush()
    if scenario.is_cut:
        complain([f"{path}: its last line is not whole, as after a kill: it was left out"])
    if scenario.events is None or report_internal or list(scenario.events) == lines:
        return 0
    complain([f"{path}: its own table of events says otherwise:"])
    complain(list(difflib.unified_diff(scenario.events, lines, "in the file", "by this version", lineterm="")))
    return FAILED


def play(scenario: Scenario, *, report_internal: bool = False) -> Replay:
    """Tells the tracker the whole scenario. Raises `ScenarioError`."""
    replay = Replay()
    noted: list[tuple[str, str]] = []
    for step in steps(scenario, report_internal=report_internal):
        one = step.observation
        replay.events += step.events
        replay.lines[one.verb] += 1
        if one.verb in _FRAMES and not step.changed:
            moment = (one.at - scenario.start).total_seconds()
            replay.idle.append(f"{moment:.1f} {one.verb} {' '.join(one.words.plain[:2])}")
        _look(replay.unknowns, one)
        match one.verb, one.words.plain:
            case "unknown", (what, name):
                noted.append((what, name))
    for what, name in noted:
        replay.unknowns.noted(what, name)
    return replay


def _look(unknowns: Unknowns, one: Observation) -> None:
    shown = [one.words] if one.verb == "upsert" else []
    for words in one.block:
        match words.plain:
            case ("leg", *rest):
                shown.append(type(words)(tuple(rest), words.facts))
            case ("segment" | "row", *_):
                unknowns.names(words.plain[0], (name[1:] for name in words.facts if name.startswith("+")))
    for words in shown:
        unknowns.participant(participant_of(words))
    if one.verb == "frame" and one.words.plain and one.words.plain[0].isdecimal():
        unknowns.frame(int(one.words.plain[0][:9]), "", None)


def _text(scenario: Scenario, replay: Replay, lines: list[str]) -> str:
    """The table, and below it what is to be said of the frames; that is no part of the table."""
    return "\n".join(("events", *lines, *(f"# {remark}" for remark in _remarks(scenario, replay)), ""))


def _remarks(scenario: Scenario, replay: Replay) -> Iterator[str]:
    told = {verb: count for verb, count in replay.lines.items() if verb not in NOTES}
    noted = {verb: count for verb, count in replay.lines.items() if verb in NOTES}
    for title, counts in (("lines", told), ("notes", noted)):
        if counts:
            yield f"{title}: {', '.join(f'{count} {verb}' for verb, count in sorted(counts.items()))}"
    frames = sum(replay.lines[verb] for verb in _FRAMES)
    yield f"frames that changed nothing: {len(replay.idle)} of {frames}"
    yield from (f"  {idle}" for idle in replay.idle)
    for (what, name), count in sorted(replay.unknowns.counts.items()):
        yield f"unknown {what} {name}: {count}"


def _json(scenario: Scenario, replay: Replay) -> str:
    document = {
        "title": scenario.title,
        "start": scenario.start,
        "is_cut": scenario.is_cut,
        "lines": dict(sorted(replay.lines.items())),
        "idle_frames": replay.idle,
        "unknowns": [
            {"what": what, "name": name, "count": count}
            for (what, name), count in sorted(replay.unknowns.counts.items())
        ],
        "events": replay.events,
    }
    return orjson.dumps(document, default=_seconds, option=orjson.OPT_INDENT_2).decode() + "\n"


def _seconds(value: object) -> object:
    """Durations are seconds."""
    seconds = getattr(value, "total_seconds", None)
    if seconds is None:
        raise TypeError(type(value).__name__)
    return seconds()
