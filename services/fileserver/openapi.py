"""The fileserver's part of the description of the admin API. Tests hold it against the routes and the answers."""

from __future__ import annotations

from services.fileserver.api import ROOT
from switchhook.runtime.openapi import (
    COUNT,
    LIMIT,
    TEXT,
    TIME,
    TIME_OR_NOT,
    Described,
    Schema,
    answers,
    in_path,
    in_query,
    listed,
    operation,
    ref,
    shape,
)

_CALL_ID: Schema = {"type": "string", "examples": ["230307114903_10"]}
_MOMENT: Schema = {
    "type": "string",
    "description": "How long ago (`2h`) or a time (`2026-03-07T12:00:00Z`).",
    "examples": ["2h"],
}
_ANY: Schema = {"type": ["string", "null"], "description": "Null: any."}
_REVOKED_BY = {"recipient": TEXT, "pbx": TEXT, "call": _CALL_ID, "since": _MOMENT, "until": _MOMENT}

_SCHEMAS: dict[str, Schema] = {
    "RevocationOrder": shape(_REVOKED_BY, optional=tuple(_REVOKED_BY)) | {"minProperties": 1},
    "Revocation": shape(
        {
            "id": TEXT,
            "made_at": TIME,
            "recipient": _ANY,
            "pbx": _ANY,
            "call": _ANY,
            "since": {**TIME_OR_NOT, "description": "Of calls that arrived then or later; null: any."},
            "until": {**TIME_OR_NOT, "description": "Of calls that arrived earlier; null: any."},
        }
    ),
    "Revocations": shape({"revocations": listed("Revocation")}),
    "Restored": shape({"restored": {"type": "string", "description": "The revocation's id."}}),
    "Listen": shape(
        {
            "at": TIME,
            "pbx": TEXT,
            "call": _CALL_ID,
            "recording": TEXT,
            "recipient": {"type": ["string", "null"], "description": "Whose link it was; null: an open one."},
            "address": {"type": "string", "description": "Of the listener."},
            "status": {"type": "integer"},
            "bytes": COUNT,
            "complete": {"type": "boolean", "description": "False when the listener did not take all of it."},
        }
    ),
    "Listens": shape({"listens": listed("Listen")}),
}

DESCRIBED = Described(
    paths={
        f"{ROOT}/links/revocations": {
            "get": operation(
                "listRevocations",
                "Which links do not work any more.",
                answers(ref("Revocations"), "All of them.", errors=(503,)),
            ),
            "post": operation(
                "revokeLinks",
                "Take links back: all to which everything that is named applies.",
                answers(ref("Revocation"), "It holds from now on.", errors=(400, 503)),
                body=ref("RevocationOrder"),
            ),
        },
        f"{ROOT}/links/revocations/{{id}}": {
            "delete": operation(
                "restoreLinks",
                "Let the links of a revocation work again.",
                answers(ref("Restored"), "They work.", errors=(404, 503)),
                parameters=[in_path("id", TEXT)],
            )
        },
        f"{ROOT}/listens": {
            "get": operation(
                "listListens",
                "Who listened to what, the newest first.",
                answers(ref("Listens"), "At most `limit`.", errors=(400, 503)),
                parameters=[
                    in_query("call", _CALL_ID),
                    in_query("recipient", TEXT),
                    in_query("since", _MOMENT),
                    in_query("limit", LIMIT),
                ],
            )
        },
    },
    schemas=_SCHEMAS,
)
