"""The description of the admin API (OpenAPI 3.1), as it is served. Tests hold it against the routes and the answers."""

from __future__ import annotations

from typing import Any

import switchhook
from services.dispatcher.openapi_schemas import CALL, EVENT, ID, MOMENT, SCHEMAS, STATE, TEXT, ref


def _answers(schema: dict[str, Any], about: str, *, errors: tuple[int, ...] = ()) -> dict[str, Any]:
    sentences = {
        400: "The request cannot be understood.",
        401: "The token is missing or wrong.",
        403: "The API is off: no token is configured.",
        404: "There is no such thing.",
        503: "The dispatcher or its database does not answer at the moment.",
    }
    answers = {"200": {"description": about, "content": {"application/json": {"schema": schema}}}}
    error = {"application/json": {"schema": ref("Error")}}
    for status in sorted({401, 403, *errors}):
        answers[str(status)] = {"description": sentences[status], "content": error}
    return answers


def _in_query(name: str, schema: dict[str, Any], *, repeated: bool = False) -> dict[str, Any]:
    shape = {"type": "array", "items": schema} if repeated else schema
    return {"name": name, "in": "query", "required": False, "schema": shape}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_NUMBERS = _in_query("numbers", {"type": "boolean", "default": False, "description": "Show whole telephone numbers."})

_LIST_PARAMETERS = [
    _in_query("state", STATE, repeated=True),
    _in_query("call", CALL),
    _in_query("event", EVENT, repeated=True),
    _in_query("endpoint", TEXT, repeated=True),
    _in_query("pbx", TEXT, repeated=True),
    _in_query("since", MOMENT),
    _in_query("until", MOMENT),
    _in_query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
    _in_query("cursor", TEXT),
    _NUMBERS,
]


def _operation(name: str, summary: str, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, **more, "responses": answers}


def _endpoint_order(name: str, summary: str) -> dict[str, Any]:
    answers = _answers(ref("Endpoint"), "The endpoint afterwards.", errors=(404, 503))
    return {"post": _operation(name, summary, answers, parameters=[_in_path("name", TEXT)])}


_PATHS: dict[str, Any] = {
    "/api/v1/openapi.json": {
        "get": _operation("describe", "This description.", _answers({"type": "object"}, "OpenAPI 3.1."))
    },
    "/api/v1/deliveries": {
        "get": _operation(
            "listDeliveries",
            "Deliveries, the newest events first.",
            _answers(ref("DeliveryPage"), "A page, perhaps empty before the end.", errors=(400, 503)),
            parameters=_LIST_PARAMETERS,
        )
    },
    "/api/v1/deliveries/replay": {
        "post": _operation(
            "replayDeliveries",
            "Send deliveries anew. Without a state: dead and expired ones; all states with `to`, and all for an `id`.",
            _answers(
                ref("Replayed"), "What was done; unless `next` is null, ask again with it.", errors=(400, 404, 503)
            ),
            requestBody={"required": True, "content": {"application/json": {"schema": ref("ReplayOrder")}}},
        )
    },
    "/api/v1/deliveries/{id}": {
        "get": _operation(
            "showDelivery",
            "One delivery with its event and its attempts.",
            _answers(ref("DeliveryInFull"), "The delivery.", errors=(400, 404, 503)),
            parameters=[_in_path("id", ID), _NUMBERS],
        )
    },
    "/api/v1/endpoints": {
        "get": _operation(
            "listEndpoints",
            "The endpoints, what waits for them, and their last error.",
            _answers(ref("Endpoints"), "All of them.", errors=(503,)),
            parameters=[_NUMBERS],
        )
    },
    "/api/v1/endpoints/{name}/pause": _endpoint_order("pauseEndpoint", "Make no attempts until it is resumed."),
    "/api/v1/endpoints/{name}/resume": _endpoint_order("resumeEndpoint", "Make attempts again."),
}

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Switchhook admin API",
        "version": switchhook.__version__,
        "description": "The delivery log of a dispatcher, replays, and its endpoints.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "security": [{"token": []}],
    "paths": _PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "What `admin.token_file` holds."}
        },
    },
}
