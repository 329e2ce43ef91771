"""A scenario as a file: its title and circumstances, what the PBX showed, and the events that must come of it.

    # captured by switchhook 0.1.0
    start 2026-05-14T12:00:00.000000+00:00
    frames
    0.0  upsert 117/1 Ringing call=10
    0.5  remove 117/1
    0.5  asked alive=10          the answer to "which of these calls live?"; `alive=` none, `silent` no answer
    1.0  row 10 callee=820       a row of the list of active calls
    9.0  snapshot 117/3=Connected@10 …   all legs that are shown, after a gap; `inside=10` a call of extensions
    events
    0.0  ringing 117 link=0

A line says what the PBX showed and when it was told; captures write the long forms of `shown`, `plans` and `writing`.
Without `start` it is 2026-05-14T12:00:00Z, and the numbering plan is `plans.default_plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.scenario.notation import Observation, ScenarioError, Words, moment, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START = datetime(2026, 5, 14, 12, 0, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file. `hidden` are DNs that the PBX does not show; `events` is None where the file has no such table.

    `is_cut` says that its end was cut off, as by a kill.
    """

    title: str
    frames: tuple[Observation, ...]
    events: tuple[str, ...] | None = None
    hidden: tuple[str, ...] = ()
    start: datetime = START
    is_captured: bool = False
    timezone: str = "UTC"
    grace: timedelta = timedelta(seconds=2)
    report_internal: bool = False
    is_cut: bool = False


def read_scenario(text: str) -> Scenario:
    """The scenario that a file describes. Raises `ScenarioError`, which names the line."""
    is_cut = bool(text) and not text.endswith("\n")
    lines = [(place, line.rstrip()) for place, line in enumerate(text.split("\n"), 1)]
    if is_cut:
        lines.pop()  # half a line may say something else than the whole one
    title = next((line.lstrip("# ") for _, line in lines if line), "")
    told = [(place, line) for place, line in lines if line and not line.startswith("#")]
    names = [line for _, line in told]
    if "frames" not in names:
        raise ScenarioError("it has no line `frames`: it is no capture and no scenario")
    begin = names.index("frames")
    end = names.index("events", begin) if "events" in names[begin:] else len(names)
    head = _head(names[:begin])
    start = _start(head)
    frames, is_short = _observations(told[begin + 1 : end], start)
    timezone = next((words.plain[1] for words in head if words.plain[0] == "timezone"), "UTC")
    grace = next((words.plain[1] for words in head if words.plain[0] == "grace"), "2")
    return Scenario(
        title=title,
        frames=tuple(frames),
        events=tuple(names[end + 1 :]) if end < len(names) else None,
        hidden=tuple(words.plain[1] for words in head if words.plain[0] == "hidden"),
        start=start,
        is_captured=any(words.plain[0] == "start" for words in head),
        timezone=_timezone(timezone),
        grace=moment(grace, start) - start,
        report_internal=any(words.plain[0] == "internal" for words in head),
        is_cut=is_cut or is_short,
    )


def read_observation(line: str, start: datetime = START) -> Observation:
    """The observation of a line without a block. Raises `ScenarioError`."""
    words = words_of(line)
    if len(words.plain) < 2:  # noqa: PLR2004 - a moment and a verb
        raise ScenarioError(f"no moment and no verb: {line}")
    at, verb, *rest = words.plain
    return Observation(at=moment(at, start), verb=verb, words=Words(tuple(rest), words.facts))


def _head(lines: Sequence[str]) -> list[Words]:
    head = [words_of(line) for line in lines]
    needing = {"hidden", "start", "timezone", "grace"}
    for words in head:
        name = words.plain[0] if words.plain else ""
        if name not in needing | {"internal"} or (name in needing and len(words.plain) != 2):  # noqa: PLR2004 - a name and its value
            raise ScenarioError(f"unknown line before `frames`: {' '.join(words.plain)}")
    return head


def _start(head: Sequence[Words]) -> datetime:
    text = next((words.plain[1] for words in head if words.plain[0] == "start"), None)
    try:
        start = START if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise ScenarioError(f"start is no time: {text}") from error
    return start if start.tzinfo is not None else start.replace(tzinfo=UTC)


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ScenarioError(f"timezone is unknown: {name}") from error
    return name


def _observations(lines: Sequence[tuple[int, str]], start: datetime) -> tuple[list[Observation], bool]:
    """The observations, and whether the last one was left out because its block is not whole."""
    found: list[Observation] = []
    groups = list(_groups(lines))
    for number, (place, head, block) in enumerate(groups, 1):
        try:
            one = read_observation(head, start)
            missing = int(one.facts.get("lines", len(block))) - len(block)
            below = tuple(words_of(line) for line in block)
        except (ScenarioError, ValueError) as error:
            raise ScenarioError(f"line {place}: {error}") from error
        if missing and number == len(groups):
            return found, True
        if missing:
            raise ScenarioError(f"line {place}: lines are missing below it")
        found.append(Observation(at=one.at, verb=one.verb, words=one.words, block=below))
    return found, False


def _groups(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, list[str]]]:
    """Each line with those that belong to it, and its place in the file."""
    group: tuple[int, str, list[str]] | None = None
    for place, line in lines:
        if not line[0].isspace():
            if group is not None:
                yield group
            group = (place, line, [])
        elif group is None:
            raise ScenarioError(f"line {place}: it belongs to no other")
        else:
            group[2].append(line)
    if group is not None:
        yield group
