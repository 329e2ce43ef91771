"""What must hold after a soak, of what the table says and of what every endpoint received. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.soak.moods import Answer
from tests.soak.plan import SUBSCRIPTIONS, is_wanted
from tests.soak.victim import SCHEDULE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from switchhook.events import Event
    from tests.soak.sink import Reception


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery in the table; `attempts` are those that the schedule counts."""

    id: str
    endpoint: str
    status: str
    reason: str
    attempts: int


def demand_all(events: Sequence[Event], rows: Sequence[Row], receptions: Mapping[str, Sequence[Reception]]) -> None:
    """The whole property. Raises AssertionError."""
    for name in SUBSCRIPTIONS:
        wanted = {str(event.id) for event in events if is_wanted(name, event)}
        demand_settled(wanted, [row for row in rows if row.endpoint == name], receptions[name])
        demand_order(receptions[name])
        demand_same_bodies(receptions[name])
    assert {row.endpoint for row in rows} <= set(SUBSCRIPTIONS)


def demand_settled(wanted: set[str], rows: Sequence[Row], receptions: Sequence[Reception]) -> None:
    """Each wanted event, and no other, was accepted by the endpoint, or is given up for a reason."""
    assert sorted(row.id for row in rows) == sorted(wanted)
    assert {reception.id for reception in receptions} <= wanted, "something came that is not wanted"
    accepted = {reception.id for reception in receptions if reception.answer is Answer.ACCEPTED}
    for row in rows:
        match row.status:
            case "delivered":
                assert row.id in accepted, f"not accepted: {row}"
            case "dead":
                assert row.reason, f"dead for nothing: {row}"
                assert row.attempts == len(SCHEDULE) + 1, f"given up too soon or too late: {row}"
            case _:
                raise AssertionError(f"not settled, or expired though it cannot: {row}")


def demand_order(receptions: Sequence[Reception]) -> None:
    """The first receptions of each call are in the order of the call."""
    by_call: dict[str, list[int]] = defaultdict(list)
    for event in dict.fromkeys(reception.id for reception in receptions):
        call, _, sequence = event.rpartition("-")
        by_call[call].append(int(sequence))
    assert {call: came for call, came in by_call.items() if came != sorted(came)} == {}


def demand_same_bodies(receptions: Sequence[Reception]) -> None:
    """What came more than once was the same each time."""
    bodies: dict[str, bytes] = {}
    for reception in receptions:
        assert bodies.setdefault(reception.id, reception.body) == reception.body
