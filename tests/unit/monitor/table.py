"""A tracker scenario as a readable table: what the PBX showed, line by line, then the events that must come of it.

    frames
    0.0  upsert 800/1 Connected call=10
    0.5  remove 800/1
    0.5  asked alive=10          the answer to "which of these calls live?"; `alive=` none, `silent` no answer
    1.0  row 10 callee=820       a row of the list of active calls
    9.0  snapshot 117/3=Connected@10 …   all legs that are shown, after a gap; `inside=10` a call of extensions
    events
    0.0  ringing 800 link=0

The outside party is 05552221133 on trunk 10007 unless `party=` or `number=` say otherwise.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.calls import memory
from services.monitor.calls.legs import ActiveCall, Leg, LegStatus
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.tracker import CallTracker
from switchhook.events import DnKind, Event, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2026, 5, 14, 12, 0, 0, tzinfo=UTC)
NUMBER = "05552221133"


def plan(hidden: Iterable[str] = ()) -> NumberingPlan:
    """IVR 800, queue 820, ring group 840, voicemail 666, trunk 10007; every other DN is an extension."""
    kinds = {
        "800": DnKind.IVR,
        "820": DnKind.QUEUE,
        "840": DnKind.RING_GROUP,
        "666": DnKind.VOICEMAIL,
        "10007": DnKind.TRUNK,
    }
    kinds |= {str(number): DnKind.EXTENSION for number in (*range(100, 120), *range(200, 210))}
    return NumberingPlan(kinds=kinds, visible=frozenset(kinds) - set(hidden) - {"840", "666", "10007"})


@dataclass(frozen=True)
class Scenario:
    """One file: its title, the lines of its two tables, and the DNs that the PBX does not show."""

    title: str
    frames: tuple[str, ...]
    events: tuple[str, ...]
    hidden: tuple[str, ...]


def read(text: str) -> Scenario:
    """The scenario that a file describes."""
    title, *rest = [line.rstrip() for line in text.splitlines() if line.strip()]
    hidden = tuple(line.split()[1] for line in rest if line.startswith("hidden "))
    tables = [line for line in rest if not line.startswith(("hidden ", "#"))]
    split = tables.index("events")
    return Scenario(title.lstrip("# "), tuple(tables[1:split]), tuple(tables[split + 1 :]), hidden)


def play(scenario: Scenario, *, forgetful: bool = False, twice: bool = False) -> list[str]:
    """The events' lines; `forgetful` restarts from the kept state before every frame, `twice` repeats every frame."""
    tracker = new_tracker(scenario.hidden)
    events: list[Event] = []
    kept: dict[str, bytes] = {}
    for line in scenario.frames:
        for _ in range(2 if twice and line.split()[1] in ("upsert", "remove", "row") else 1):
            if forgetful:
                tracker = new_tracker(scenario.hidden)
                tracker.restore((memory.load(raw) for raw in kept.values()), (), START)
            apply(tracker, line)
            changes = tracker.take()
            events += changes.events
            kept |= {call.id: memory.dump(call) for call in changes.changed}
            for call in changes.over:
                kept.pop(call.id, None)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert all(later.occurred_at >= one.occurred_at for one, later in itertools.pairwise(events))
    return [describe(event) for event in events]


def new_tracker(hidden: Iterable[str] = (), *, report_internal: bool = False) -> CallTracker:
    """A tracker that knows the plan and no call."""
    return CallTracker(
        "main",
        plan(hidden),
        timezone=ZoneInfo("UTC"),
        report_internal=report_internal,
        grace=timedelta(seconds=2),
    )


def apply(tracker: CallTracker, line: str) -> None:
    """Tells the tracker what one line of the frames says."""
    moment, verb, *words = line.split()
    at = START + timedelta(seconds=float(moment))
    facts = dict(word.split("=", 1) for word in words if "=" in word and "/" not in word.split("=")[0])
    match verb:
        case "upsert":
            tracker.leg_seen(_leg(words[0], words[1], facts, tracker.plan), at)
        case "remove":
            tracker.leg_gone(_key(words[0]), at)
        case "asked":
            numbers = tracker.questions(at)
            alive = None if "silent" in words else [_row(n, facts) for n in facts["alive"].split(",") if n]
            tracker.answer(numbers, alive, asked_at=at, at=at)
        case "row":
            tracker.active_calls([_row(words[0], facts)], asked_at=at, at=at)
        case "snapshot":
            legs = [_shown(word, facts, tracker.plan) for word in words if "/" in word]
            lost_at = START + timedelta(seconds=float(facts.get("lost", moment)))
            inside = [_row(n, {"caller": "204", "callee": "117"}) for n in facts.get("inside", "").split(",") if n]
            tracker.resync(legs, asked_at=at, at=at, lost_at=lost_at, rows=inside)
        case _:
            raise ValueError(line)


def describe(event: Event) -> str:
    """One event as a line of the second table."""
    words = [f"{(event.occurred_at - START).total_seconds():.1f}", event.type.removeprefix("call."), event.user]
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


def _leg(name: str, status: str, facts: dict[str, str], plan_: NumberingPlan) -> Leg:
    dn, number = _key(name)
    party = facts.get("party", "10007")
    kind = plan_.kind_of(party) if party else None
    return Leg(
        dn=dn,
        id=number,
        kind=plan_.kind_of(dn),
        status=LegStatus(status),
        number=int(facts["call"]),
        party_dn=party,
        party_kind=kind,
        party_number=facts.get("number", NUMBER if kind is DnKind.TRUNK else party),
        referred_by=facts.get("referred", ""),
        on_behalf_of=facts.get("behalf", ""),
        originated_by="ROUTER" if "routed" in facts else "",
    )


def _shown(word: str, facts: dict[str, str], plan_: NumberingPlan) -> Leg:
    name, _, rest = word.partition("=")
    status, _, call = rest.partition("@")
    return _leg(name, status, facts | {"call": call}, plan_)


def _key(name: str) -> tuple[str, int]:
    dn, _, number = name.partition("/")
    return dn, int(number)


def _row(number: str, facts: dict[str, str]) -> ActiveCall:
    return ActiveCall(
        number=int(number),
        caller_dn=facts.get("caller", "10007"),
        caller_number=facts.get("number", NUMBER),
        callee_dn=facts.get("callee", ""),
        callee_number=facts.get("callee_number", ""),
    )
