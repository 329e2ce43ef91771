"""The schemas of the admin API's description: what goes in and what comes out."""

from __future__ import annotations

from typing import Any

from services.dispatcher.deliveries import Status
from services.dispatcher.gate import EndpointState
from services.dispatcher.replay_order import Skipped
from switchhook.events import EventType
from switchhook.runtime.openapi import CALL, COUNT, CURSOR, TEXT, TIME, TIME_OR_NOT, listed, ref, shape

STATE = {"type": "string", "enum": [status.value for status in Status]}
ID = {"type": "string", "description": "`<event id>.<endpoint>`", "examples": ["main-230307114903_10-1.crm"]}
EVENT = {"type": "string", "description": "Such as `ringing`, `recording` or `call.ended`.", "examples": ["ringing"]}
MOMENT = {
    "type": "string",
    "description": "How long ago (`2h`) or a time (`2026-03-07T12:00:00Z`), of the event's acceptance.",
    "examples": ["2h"],
}


def _one_or_more(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "array", "items": schema}]}


_SUMMARY: dict[str, Any] = {
    "id": ID,
    "event_id": {"type": "string", "description": "The `webhook-id` of every attempt."},
    "endpoint": TEXT,
    "state": STATE,
    "reason": {"type": "string", "description": "Why it did not arrive (yet); empty when it did."},
    "attempts": COUNT,
    "replays": {"type": "integer", "minimum": 0, "description": "How often an operator had it sent anew."},
    "type": {"type": ["string", "null"], "examples": [kind.value for kind in EventType]},
    "pbx": TEXT,
    "call": TEXT,
    "sequence": {"type": "integer", "description": "The event's place in its call."},
    "outside_number": {"type": "string", "description": "Masked unless `numbers` is asked for."},
    "user": TEXT,
    "accepted_at": TIME,
    "due_at": {**TIME_OR_NOT, "description": "The next attempt; null while an earlier event of the call waits."},
    "settled_at": TIME_OR_NOT,
    "deadline_at": TIME_OR_NOT,
}

SCHEMAS: dict[str, Any] = {
    "Delivery": shape(_SUMMARY),
    "DeliveryPage": shape({"deliveries": listed("Delivery"), "next": CURSOR}),
    "DeliveryInFull": shape(
        {
            **_SUMMARY,
            "event": {"type": ["object", "null"], "description": "Null when this version cannot read it."},
            "attempt_log": listed("Attempt"),
        }
    ),
    "Attempt": shape(
        {
            "number": COUNT,
            "started_at": TIME,
            "duration_ms": {"type": "number"},
            "outcome": TEXT,
            "reason": TEXT,
            "status": {"type": ["integer", "null"], "description": "HTTP status; null when no answer came."},
            "address": {"type": "string", "description": "`ip:port` that was connected to."},
            "answer": {"type": "string", "description": "Its first 16 KiB, redacted; or why there was none."},
            "answer_bytes": COUNT,
        }
    ),
    "ReplayOrder": shape(
        {
            "id": _one_or_more(ID),
            "state": _one_or_more(STATE),
            "call": CALL,
            "event": _one_or_more(EVENT),
            "endpoint": _one_or_more(TEXT),
            "pbx": _one_or_more(TEXT),
            "since": MOMENT,
            "until": MOMENT,
            "to": {"type": ["string", "null"], "description": "Send to this endpoint instead of the original one."},
            "rate": {"type": ["number", "null"], "description": "Deliveries a second; null: as fast as they go."},
            "dry_run": {"type": "boolean", "default": False, "description": "Only count."},
            "cursor": {"type": ["string", "null"], "description": "`next` of the request before."},
        },
        optional=(
            *("id", "state", "call", "event", "endpoint", "pbx", "since", "until"),
            *("to", "rate", "dry_run", "cursor"),
        ),
    ),
    "Replayed": shape(
        {
            "dry_run": {"type": "boolean"},
            "matched": COUNT,
            "replayed": {"type": "integer", "minimum": 0, "description": "Sent anew, or would be."},
            "by_endpoint": {"type": "object", "additionalProperties": COUNT},
            "skipped": {
                "type": "object",
                "propertyNames": {"enum": [reason.value for reason in Skipped]},
                "additionalProperties": COUNT,
            },
            "next": CURSOR,
        }
    ),
    "Endpoint": shape(
        {
            "name": TEXT,
            "url": {"type": "string", "description": "Without the secrets that it may hold."},
            "format": TEXT,
            "state": {"type": "string", "enum": [state.value for state in EndpointState]},
            "reason": {"type": "string", "description": "Why it is not active; empty while it is."},
            "since": TIME,
            "pending": COUNT,
            "oldest_pending_at": TIME_OR_NOT,
            "last_error": {"oneOf": [ref("LastError"), {"type": "null"}]},
        }
    ),
    "LastError": shape(
        {"at": TIME, "status": {"type": ["integer", "null"]}, "reason": TEXT, "answer": TEXT},
    ),
    "Endpoints": shape({"endpoints": listed("Endpoint")}),
}
