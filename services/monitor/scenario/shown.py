"""What the PBX shows, as words and back: participants, rows of active calls and rows of the call log.

Both directions lose nothing: a field that has no word of its own is written `+field=value`. What the tracker is told is
read from the words by the very functions that read the PBX's answers.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.monitor.calls.legs import ActiveCall
from services.monitor.payloads import PayloadError, read_leg
from services.monitor.scenario.notation import ScenarioError, Words, fact, moment, seconds
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from services.monitor.calls.legs import Leg, LegKey
    from services.monitor.calls.numbering import NumberingPlan

NUMBER = "05552221133"
TRUNK = "10007"
"""The outside party of a line that does not name another."""

_FIELD_BY_WORD = {
    "party": "party_dn",
    "number": "party_caller_id",
    "type": "party_dn_type",
    "name": "party_caller_name",
    "did": "party_did",
    "referred": "referred_by_dn",
    "referred_type": "referred_by_type",
    "behalf": "on_behalf_of_dn",
    "behalf_type": "on_behalf_of_type",
    "origin": "originated_by_dn",
    "origin_type": "originated_by_type",
    "device": "device_id",
}
_NUMBER_BY_WORD = {"call": "callid", "leg": "legid"}
_ALWAYS = ("party", "number")
_IN_FRONT = ("dn", "id", "status", "direct_control")
_NAMED = frozenset((*_FIELD_BY_WORD.values(), *_NUMBER_BY_WORD.values(), *_IN_FRONT))


def leg_of(words: Words, plan: NumberingPlan) -> Leg:
    """The leg that a line shows. Raises `ScenarioError`."""
    try:
        return read_leg(participant_of(words, plan), plan)
    except (PayloadError, IndexError, ValueError) as error:
        raise ScenarioError(str(error)) from error


def participant_of(words: Words, plan: NumberingPlan | None = None) -> dict[str, Any]:
    """The participant as the PBX would show it; raises ValueError or IndexError for words that show none."""
    facts = words.facts
    dn, identity = key_of(words.plain[0])
    shown: dict[str, Any] = {"dn": dn, "id": identity, "status": words.plain[1]}
    shown |= {field: facts[word] for word, field in _FIELD_BY_WORD.items() if word in facts}
    shown |= {field: int(facts[word]) for word, field in _NUMBER_BY_WORD.items() if word in facts}
    shown |= {name[1:]: value for name, value in facts.items() if name.startswith("+")}
    if "direct" in words.plain:
        shown["direct_control"] = True
    if "routed" in words:
        shown["originated_by_dn"] = "ROUTER"
    party = shown.setdefault("party_dn", TRUNK)
    shown.setdefault("party_caller_id", NUMBER if plan is None or plan.kind_of(party) is DnKind.TRUNK else party)
    return shown


def participant_words(shown: Mapping[str, Any]) -> str:
    """A participant that was masked, as words; one that `read_leg` can read."""
    parts = [f"{shown['dn']}/{shown['id']}", str(shown.get("status") or "Unknown")]
    odd = {field for field in _NUMBER_BY_WORD.values() if not isinstance(shown.get(field, 0), int)}
    numbers = {word: field for word, field in _NUMBER_BY_WORD.items() if field in shown and field not in odd}
    parts += [fact(word, shown[field]) for word, field in numbers.items()]
    for word, field in _FIELD_BY_WORD.items():
        value = shown.get(field)
        if word in _ALWAYS or value not in ("", None, "None"):
            parts.append(fact(word, "" if value is None else str(value)))
    if shown.get("direct_control") is True:
        parts.append("direct")
    parts += [fact(f"+{name}", value) for name, value in shown.items() if name not in _NAMED or name in odd]
    return " ".join(parts)


def key_of(name: str) -> LegKey:
    """A leg's DN and id, written `117/3`. Raises ValueError."""
    dn, _, number = name.rpartition("/")
    return dn, int(number)


def row_of(words: Words, start: datetime, *, number: str = "") -> ActiveCall:
    """The row of active calls that a line shows."""
    facts = words.facts
    return ActiveCall(
        number=int(number or words.plain[1]),
        caller_dn=facts.get("caller", TRUNK),
        caller_number=facts.get("number", NUMBER),
        callee_dn=facts.get("callee", ""),
        callee_number=facts.get("callee_number", ""),
        changed_at=moment(facts["changed"], start) if "changed" in facts else None,
        established_at=moment(facts["established"], start) if "established" in facts else None,
    )


def row_words(row: ActiveCall, start: datetime, *, more: Mapping[str, str]) -> str:
    """A row that was masked, as words; `more` is what the tracker does not look at."""
    facts = {"caller": row.caller_dn, "number": row.caller_number, "callee": row.callee_dn}
    if row.callee_number:
        facts["callee_number"] = row.callee_number
    if row.changed_at is not None:
        facts["changed"] = seconds(row.changed_at, start)
    if row.established_at is not None:
        facts["established"] = seconds(row.established_at, start)
    return " ".join((f"row {row.number}", *(fact(name, value) for name, value in (facts | dict(more)).items())))


def segment_of(words: Words) -> dict[str, Any]:
    """The row of the call log that a line shows, with the vendor's names and types."""
    return {name.removeprefix("+"): _unmarked(value) for name, value in words.facts.items()}


def segment_words(row: Mapping[str, Any]) -> str:
    """A row of the call log that was masked, as words; what is empty is left out."""
    return " ".join(("segment", *_segment_facts(row)))


def shift_of(facts: Mapping[str, str]) -> timedelta:
    """How far the PBX's clock was ahead."""
    return timedelta(seconds=float(facts.get("ahead", "0")))


def _segment_facts(row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        if value is None or value == "":
            continue
        yield fact(name, value if isinstance(value, str) else f":{json.dumps(value, separators=(',', ':'))}")


def _unmarked(value: str) -> object:
    """A value that is no text stands as JSON behind a colon."""
    return json.loads(value[1:]) if value.startswith(":") else value
