"""The recorder's part of the description of the admin API. Tests hold it against the routes and the answers."""

from __future__ import annotations

from services.recorder.api import ROOT
from switchhook.objects import GoneReason
from switchhook.runtime.openapi import (
    CALL,
    COUNT,
    CURSOR,
    LIMIT,
    TEXT,
    TIME,
    TIME_OR_NOT,
    Described,
    Schema,
    answers,
    in_query,
    listed,
    operation,
    ref,
    shape,
)

_MOMENT: Schema = {
    "type": "string",
    "description": "How long ago (`2h`) or a time (`2026-03-07T12:00:00Z`), of the storing.",
    "examples": ["2h"],
}
_CHOICE = {"call": CALL, "pbx": TEXT, "since": _MOMENT, "until": _MOMENT}
_DELETED_TOO: Schema = {"type": "string", "enum": ["true", "false"], "description": "Also those that are deleted."}
_HELD = answers(
    ref("HeldCall"), "The call afterwards, and how many recordings of it there are.", errors=(400, 404, 503)
)

_SCHEMAS: dict[str, Schema] = {
    "Recording": shape(
        {
            "recording": {"type": "string", "examples": ["230307114903_10-1-1.mp3"]},
            "pbx": TEXT,
            "call": TEXT,
            "link": {"type": "integer", "minimum": 1},
            "user": {"type": "string", "description": "The extension; empty when it is not known."},
            "seconds": {"type": "number"},
            "bytes": COUNT,
            "channels": {"type": "integer", "minimum": 1},
            "kept_at": TIME,
            "expires_at": TIME,
            "deleted_at": TIME_OR_NOT,
            "gone": {
                "type": "string",
                "enum": ["", *(reason.value for reason in GoneReason)],
                "description": "Why it was deleted; empty while it is there.",
            },
            "held": {"type": "boolean"},
        }
    ),
    "RecordingPage": shape({"recordings": listed("Recording"), "next": CURSOR}),
    "PurgeOrder": shape(
        {**_CHOICE, "dry_run": {"type": "boolean", "default": False, "description": "Only count."}},
        optional=(*_CHOICE, "dry_run"),
    ),
    "Purged": shape({"files": COUNT, "bytes": COUNT, "held": COUNT, "dry_run": {"type": "boolean"}}),
    "HoldOrder": shape({"call": CALL, "pbx": TEXT}, optional=("pbx",)),
    "HeldCall": shape({"pbx": TEXT, "call": TEXT, "held": {"type": "boolean"}, "files": COUNT}),
}

DESCRIBED = Described(
    paths={
        ROOT: {
            "get": operation(
                "listRecordings",
                "The kept recordings, the newest first.",
                answers(ref("RecordingPage"), "A page.", errors=(400, 503)),
                parameters=[
                    *(in_query(name, schema) for name, schema in _CHOICE.items()),
                    in_query("all", _DELETED_TOO),
                    in_query("limit", LIMIT),
                    in_query("cursor", TEXT),
                ],
            )
        },
        f"{ROOT}/purge": {
            "post": operation(
                "purgeRecordings",
                "Delete the chosen recordings; without a choice those whose time is over. What is held stays.",
                answers(ref("Purged"), "What was deleted, or would be; `held` is what stayed.", errors=(400, 503)),
                body=ref("PurgeOrder"),
            )
        },
        f"{ROOT}/hold": {"post": operation("holdCall", "Delete no recording of a call.", _HELD, body=ref("HoldOrder"))},
        f"{ROOT}/release": {
            "post": operation("releaseCall", "Let retention have them again.", _HELD, body=ref("HoldOrder"))
        },
    },
    schemas=_SCHEMAS,
)
