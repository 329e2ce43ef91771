"""What the admin API says of deliveries, as lines for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from services.commands.table import table, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HEADER = ("delivery", "state", "reason", "attempts", "event", "number", "accepted", "next attempt")
ATTEMPTS_HEADER = ("", "started", "ms", "outcome", "reason", "status", "address")


def deliveries_table(deliveries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each."""
    return table(HEADER, [_row(delivery) for delivery in deliveries])


def _row(delivery: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        delivery["id"],
        delivery["state"],
        delivery["reason"],
        delivery["attempts"],
        delivery["type"],
        delivery["outside_number"],
        time_text(delivery["accepted_at"]),
        time_text(delivery["due_at"]),
    )


def delivery_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """One delivery in full: its facts, its event, its attempts and what was answered."""
    for key, value in document.items():
        if key not in {"event", "attempt_log"} and value not in (None, ""):
            yield f"{key:<14}  {time_text(value) if key.endswith('_at') else value}"
    yield "event"
    event = orjson.dumps(document["event"], option=orjson.OPT_INDENT_2).decode()
    yield from (f"  {line}" for line in event.splitlines())
    attempts = document["attempt_log"]
    if attempts:
        yield "attempts"
    rows = [
        (
            each["number"],
            time_text(each["started_at"]),
            round(each["duration_ms"]),
            *(each[name] for name in ("outcome", "reason", "status", "address")),
        )
        for each in attempts
    ]
    yield from (f"  {line}" for line in table(ATTEMPTS_HEADER, rows))
    for each in attempts:
        if each["answer"]:
            yield f"answer {each['number']} ({each['answer_bytes']} bytes)"
            yield from (f"  {line}" for line in each["answer"].splitlines())


def count_sentence(verb: str, count: int, parts: Mapping[str, int]) -> str:
    """Such as `replayed 3 deliveries: crm 3`."""
    details = ", ".join(f"{name} {number}" for name, number in sorted(parts.items()))
    noun = "delivery" if count == 1 else "deliveries"
    return f"{verb} {count} {noun}" + (f": {details}" if details else "")
