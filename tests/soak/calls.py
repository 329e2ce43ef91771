"""What must hold of the calls that were reported while the monitor was killed again and again. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SAME_ARRIVAL = timedelta(seconds=30)
"""A call that was found under way is as old as the PBX says that its last change was."""


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook of the format `standard`."""

    id: str
    body: bytes
    type: str
    call: str
    number: int
    arrived_at: datetime
    sequence: int
    is_final: bool
    is_completed: bool
    is_reconciled: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A call that the PBX really had, with its runtime number."""

    number: int
    began_at: datetime
    scenario: str


def told(webhook_id: str, body: bytes, message: dict[str, Any]) -> Told:
    """What a webhook says."""
    event = message["data"]
    return Told(
        id=webhook_id,
        body=body,
        type=message["type"],
        call=event["call"]["id"],
        number=event["call"]["numbers"][0],
        arrived_at=datetime.fromisoformat(event["call"]["arrived_at"]),
        sequence=event["sequence"],
        is_final=message["type"] == "call.ended" and not event["transferred"],
        is_completed=message["type"] == "call.completed",
        is_reconciled=event["reconciled"],
    )


def differences(webhooks: Sequence[Told], calls: Iterable[Held]) -> list[str]:
    """Where what was told is not what was; empty when each call was told once, whole, and in order."""
    found = _repeated_otherwise(webhooks)
    by_call: dict[str, list[Told]] = defaultdict(list)
    for webhook in {one.id: one for one in reversed(webhooks)}.values():
        by_call[webhook.call].append(webhook)
    for call, ones in by_call.items():
        own = ones[::-1]  # the first arrivals, in their order
        if [one.sequence for one in own] != list(range(1, len(own) + 1)):
            found.append(f"{call}: sequence {[one.sequence for one in own]}")
        if [place for place, one in enumerate(own) if one.is_final] != [len(own) - 2] or not own[-1].is_completed:
            found.append(f"{call}: not one final end, and then the whole of it: {[one.type for one in own]}")
    return found + _other_calls({call: ones[0] for call, ones in by_call.items()}, calls)


def _repeated_otherwise(webhooks: Iterable[Told]) -> list[str]:
    bodies: dict[str, bytes] = {}
    return [f"{one.id}: repeated otherwise" for one in webhooks if bodies.setdefault(one.id, one.body) != one.body]


def _other_calls(told_calls: dict[str, Told], calls: Iterable[Held]) -> list[str]:
    held = {one.number: one for one in calls}
    by_number: dict[int, list[str]] = defaultdict(list)
    for call, one in told_calls.items():
        by_number[one.number].append(call)
    found = [f"never told: {held[number]}" for number in held.keys() - by_number.keys()]
    for number, ones in by_number.items():
        if number not in held:
            found.append(f"no such call: {ones}")
        elif len(ones) > 1:
            found.append(f"told as several calls: {ones} of {held[number]}")
        elif abs(told_calls[ones[0]].arrived_at - held[number].began_at) > _SAME_ARRIVAL:
            found.append(f"another time: {ones[0]} of {held[number]}")
    return found
