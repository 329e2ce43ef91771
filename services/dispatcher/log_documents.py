"""The delivery log as the admin API shows it: JSON documents, numbers masked unless they are asked for. Pure."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from switchhook.telemetry.redaction import redacted_value

if TYPE_CHECKING:
    from services.dispatcher.delivery_log import Page
    from services.dispatcher.endpoint_desk import EndpointReport
    from services.dispatcher.log_walk import Place
    from services.dispatcher.logged import LoggedAttempt, LoggedDelivery
    from services.dispatcher.replay_order import Replayed

# In texts of others: all but the last three digits of what may be a telephone number.
_LONG_NUMBER = re.compile(r"\d{2,}(?=\d{3})")


def delivery_summary(delivery: LoggedDelivery, *, numbers: bool) -> dict[str, Any]:
    """One line of the list."""
    pbx, _, call_id = delivery.call.partition("/")
    event = delivery.event
    document = {
        "id": str(delivery.id),
        "event_id": delivery.id.event,
        "endpoint": delivery.id.endpoint,
        "state": delivery.state.value,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "replays": delivery.replays,
        "type": delivery.type,
        "pbx": pbx,
        "call": call_id,
        "sequence": delivery.sequence,
        "outside_number": "" if event is None else event.call.outside_number,
        "user": "" if event is None else event.user,
        "accepted_at": _plain(delivery.accepted_at),
        "due_at": _plain(delivery.due_at),
        "settled_at": _plain(delivery.settled_at),
        "deadline_at": _plain(delivery.deadline_at),
    }
    return _shown(document, numbers=numbers)


def delivery_document(delivery: LoggedDelivery, attempts: list[LoggedAttempt], *, numbers: bool) -> dict[str, Any]:
    """Everything about one delivery: its event as it was decoded, and each attempt."""
    event = delivery.own if delivery.event is None else _plain(delivery.event)
    return {
        **delivery_summary(delivery, numbers=numbers),
        "event": None if event is None else _shown(event, numbers=numbers),
        "attempt_log": [_attempt(attempt, numbers=numbers) for attempt in attempts],
    }


def page_document(page: Page, *, numbers: bool) -> dict[str, Any]:
    """A page of the list."""
    return {
        "deliveries": [delivery_summary(delivery, numbers=numbers) for delivery in page.deliveries],
        "next": None if page.after is None else cursor_of(page.after),
    }


def replay_document(replayed: Replayed, *, is_dry_run: bool, cursor: str | None) -> dict[str, Any]:
    """What came of a replay."""
    return {
        "dry_run": is_dry_run,
        "matched": replayed.matched,
        "replayed": sum(replayed.by_endpoint.values()),
        "by_endpoint": dict(replayed.by_endpoint),
        "skipped": {reason.value: count for reason, count in replayed.skipped.items() if count},
        "next": cursor,
    }


def endpoint_document(report: EndpointReport, *, numbers: bool) -> dict[str, Any]:
    """One endpoint at this moment."""
    failure = report.last_failure
    return {
        "name": report.name,
        "url": report.url,
        "format": report.format,
        "state": report.state.value,
        "reason": report.reason.value,
        "since": _plain(report.since),
        "pending": report.pending,
        "oldest_pending_at": _plain(report.oldest),
        "last_error": None
        if failure is None
        else {
            "at": _plain(failure.at),
            "status": failure.status,
            "reason": failure.reason,
            "answer": _text(failure.answer, numbers=numbers),
        },
    }


def cursor_of(place: Place) -> str:
    """A place as the API hands it out."""
    return f"{place.event}.{place.endpoint}"


def _attempt(attempt: LoggedAttempt, *, numbers: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": _plain(attempt.started_at),
        "duration_ms": attempt.duration / timedelta(milliseconds=1),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "status": attempt.status,
        "address": attempt.address,
        "answer": _text(attempt.answer, numbers=numbers),
        "answer_bytes": attempt.answer_bytes,
    }


def _shown(document: dict[str, Any], *, numbers: bool) -> dict[str, Any]:
    return {key: redacted_value(key, value, numbers=numbers) for key, value in document.items()}


def _text(text: str, *, numbers: bool) -> str:
    return text if numbers else _LONG_NUMBER.sub("…", text)


def _plain(value: Any) -> Any:
    """A value of the vocabulary as JSON has it: times in UTC, durations in seconds."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case tuple() | list():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        case _:
            return value
