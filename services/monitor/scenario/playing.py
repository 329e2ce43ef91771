"""Plays a scenario: tells the pure tracker what the PBX showed, and says line by line what came of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.call_log import read_segment
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.tracker import CallTracker
from services.monitor.scenario.file import START
from services.monitor.scenario.notation import ScenarioError, Words, moment
from services.monitor.scenario.plans import default_plan, plan_of
from services.monitor.scenario.shown import key_of, leg_of, row_of, segment_of, shift_of
from switchhook.events import Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from services.monitor.calls.legs import ActiveCall, Leg
    from services.monitor.scenario.file import Scenario
    from services.monitor.scenario.notation import Observation
    from switchhook.events import Event

NOTES = frozenset(("frame", "unreadable", "answer", "connected", "unknown"))
"""Verbs of lines that say what happened, and tell the tracker nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line and what came of it; `changed` says that the picture of a call did, or the plan."""

    observation: Observation
    events: tuple[Event, ...]
    changed: bool


def steps(scenario: Scenario, *, report_internal: bool = False) -> Iterator[Step]:
    """Plays it once. Raises `ScenarioError` for a line that cannot be told."""
    tracker = tracker_of(scenario, report_internal=report_internal)
    for observation in scenario.frames:
        tell(tracker, observation, scenario.start)
        changes = tracker.take()
        changed = bool(changes.changed or changes.over or observation.verb == "plan")
        yield Step(observation=observation, events=tuple(changes.events), changed=changed)


def tracker_of(scenario: Scenario, *, report_internal: bool = False) -> CallTracker:
    """A tracker that knows the plan and no call."""
    return CallTracker(
        "main",
        NumberingPlan() if scenario.is_captured else default_plan(scenario.hidden),
        timezone=ZoneInfo(scenario.timezone),
        report_internal=report_internal or scenario.report_internal,
        grace=scenario.grace,
    )


def tell(tracker: CallTracker, one: Observation, start: datetime = START) -> None:
    """Tells the tracker what one line says. Raises `ScenarioError`."""
    try:
        _tell(tracker, one, start)
    except (KeyError, IndexError, ValueError, OverflowError) as error:
        raise ScenarioError(f"the line of {(one.at - start).total_seconds()} s: {error!r}") from error


def table(events: list[Event], start: datetime = START) -> list[str]:
    """The events as the lines of a scenario's second table; with the call's id where there is more than one call."""
    is_one = len({event.call.id for event in events}) <= 1
    return [describe(event, start) if is_one else f"{describe(event, start)} call={event.call.id}" for event in events]


def describe(event: Event, start: datetime = START) -> str:
    """One event as a line of the second table."""
    words = [f"{(event.occurred_at - start).total_seconds():.1f}", event.type.removeprefix("call."), event.user]
    words.append(f"link={event.link}")
    if event.transfer is not Transfer.NONE:
        words.append(event.transfer)
    if event.type == "call.ended":
        words.append("answered" if event.answered else "missed")
        if event.talk_time is not None:
            words.append(f"{event.talk_time.total_seconds():.1f}s")
        if event.transferred:
            words.append("transferred")
    if event.reconciled:
        words.append("reconciled")
    return " ".join(words)


def _tell(tracker: CallTracker, one: Observation, start: datetime) -> None:
    words, facts, at = one.words, one.facts, one.at
    asked_at = moment(facts["asked"], start) if "asked" in facts else at
    match one.verb:
        case "plan":
            tracker.plan = plan_of(one.block)
        case "upsert":
            tracker.leg_seen(leg_of(words, tracker.plan), at)
        case "remove":
            tracker.leg_gone(key_of(words.plain[0]), at)
        case "asked":
            alive = None if "silent" in words else _alive(one, start)
            numbers = [int(n) for n in facts["numbers"].split(",")] if "numbers" in facts else tracker.questions(at)
            tracker.answer(numbers, alive, asked_at=asked_at, at=at)
        case "row" | "active":
            tracker.active_calls(_rows(one, start), asked_at=asked_at, at=at)
        case "log":
            _replay(tracker, one, start)
        case "snapshot":
            _resync(tracker, one, start, asked_at=asked_at)
        case verb if verb not in NOTES:
            raise ValueError(verb)


def _resync(tracker: CallTracker, one: Observation, start: datetime, *, asked_at: datetime) -> None:
    lost_at = moment(one.facts["lost"], start) if "lost" in one.facts else None
    if not one.block and "asked" not in one.facts:
        lost_at = lost_at or one.at  # the short form stands for the snapshot after a gap
    rows = [*_rows(one, start), *_inside(one.words, start)]
    tracker.resync(_legs(one, tracker.plan), asked_at=asked_at, at=one.at, lost_at=lost_at, rows=rows)


def _legs(one: Observation, plan: NumberingPlan) -> list[Leg]:
    """The legs of a snapshot: of its block, or of words like `117/3=Connected@10`."""
    legs = [leg_of(Words(words.plain[1:], words.facts), plan) for words in one.block if words.plain[0] == "leg"]
    for name, rest in one.facts.items():
        if "/" in name:
            status, _, call = rest.partition("@")
            legs.append(leg_of(Words((name, status), {**one.facts, "call": call}), plan))
    return legs


def _rows(one: Observation, start: datetime) -> list[ActiveCall]:
    if one.verb == "row":
        return [row_of(one.words, start, number=one.words.plain[0])]
    return [row_of(words, start) for words in one.block if words.plain[0] == "row"]


def _alive(one: Observation, start: datetime) -> list[ActiveCall]:
    if "numbers" in one.facts:
        return _rows(one, start)
    return [row_of(one.words, start, number=number) for number in one.facts["alive"].split(",") if number]


def _inside(words: Words, start: datetime) -> list[ActiveCall]:
    numbers = [number for number in words.facts.get("inside", "").split(",") if number]
    return [row_of(Words((), {"caller": "204", "callee": "117"}), start, number=number) for number in numbers]


def _replay(tracker: CallTracker, one: Observation, start: datetime) -> None:
    ahead = shift_of(one.facts)
    read = (read_segment(segment_of(words)) for words in one.block)
    segments = [segment.earlier(ahead) for segment in read if segment is not None]
    shown = [key_of(name) for name in one.facts.get("shown", "").split(",") if name]
    tracker.replay(segments, since=moment(one.facts["since"], start), shown=shown)
