"""The dispatcher's part of the description of the admin API. Tests hold it against the routes and the answers."""

from __future__ import annotations

from typing import Any

from services.dispatcher.openapi_schemas import EVENT, ID, MOMENT, SCHEMAS, STATE
from switchhook.runtime.openapi import CALL, LIMIT, TEXT, Described, answers, in_path, in_query, operation, ref

_NUMBERS = in_query("numbers", {"type": "boolean", "default": False, "description": "Show whole telephone numbers."})

_LIST_PARAMETERS = [
    in_query("state", STATE, is_repeated=True),
    in_query("call", CALL),
    in_query("event", EVENT, is_repeated=True),
    in_query("endpoint", TEXT, is_repeated=True),
    in_query("pbx", TEXT, is_repeated=True),
    in_query("since", MOMENT),
    in_query("until", MOMENT),
    in_query("limit", LIMIT),
    in_query("cursor", TEXT),
    _NUMBERS,
]


def _endpoint_order(name: str, summary: str) -> dict[str, Any]:
    afterwards = answers(ref("Endpoint"), "The endpoint afterwards.", errors=(404, 503))
    return {"post": operation(name, summary, afterwards, parameters=[in_path("name", TEXT)])}


_PATHS: dict[str, Any] = {
    "/api/v1/deliveries": {
        "get": operation(
            "listDeliveries",
            "Deliveries, the newest events first.",
            answers(ref("DeliveryPage"), "A page, perhaps empty before the end.", errors=(400, 503)),
            parameters=_LIST_PARAMETERS,
        )
    },
    "/api/v1/deliveries/replay": {
        "post": operation(
            "replayDeliveries",
            "Send deliveries anew. Without a state: dead and expired ones; all states with `to`, and all for an `id`.",
            answers(
                ref("Replayed"), "What was done; unless `next` is null, ask again with it.", errors=(400, 404, 503)
            ),
            body=ref("ReplayOrder"),
        )
    },
    "/api/v1/deliveries/{id}": {
        "get": operation(
            "showDelivery",
            "One delivery with its event and its attempts.",
            answers(ref("DeliveryInFull"), "The delivery.", errors=(400, 404, 503)),
            parameters=[in_path("id", ID), _NUMBERS],
        )
    },
    "/api/v1/endpoints": {
        "get": operation(
            "listEndpoints",
            "The endpoints, what waits for them, and their last error.",
            answers(ref("Endpoints"), "All of them.", errors=(503,)),
            parameters=[_NUMBERS],
        )
    },
    "/api/v1/endpoints/{name}/pause": _endpoint_order("pauseEndpoint", "Make no attempts until it is resumed."),
    "/api/v1/endpoints/{name}/resume": _endpoint_order("resumeEndpoint", "Make attempts again."),
}

DESCRIBED = Described(paths=_PATHS, schemas=SCHEMAS)
