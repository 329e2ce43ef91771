"""The description of a process's admin API (OpenAPI 3.1): one document, put together of what its services describe.

    DESCRIBED = Described(paths={"/api/v1/things": {"get": operation("listThings", "All.", answers(…))}}, schemas={…})
    openapi([DESCRIBED])  # what the admin server serves

Tests hold each part against its service's routes and answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import switchhook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Schema = dict[str, Any]

ROUTE = "/api/v1/openapi.json"
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NOT: Schema = {"type": ["string", "null"], "format": "date-time"}
CURSOR: Schema = {"type": ["string", "null"], "description": "Ask again with this as `cursor`; null at the end."}
CALL: Schema = {
    "type": "string",
    "description": "`<call id>` or `<pbx>/<call id>`",
    "examples": ["230307114903_10"],
}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}

_SENTENCES = {
    400: "The request cannot be understood.",
    401: "The token is missing or wrong.",
    403: "The API is off: no token is configured.",
    404: "There is no such thing.",
    503: "The service, its database or its storage does not answer at the moment.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A service's part: its addresses, and the schemas that they refer to, by names that no other service has."""

    paths: Mapping[str, Any]
    schemas: Mapping[str, Schema]


def openapi(parts: Iterable[Described]) -> dict[str, Any]:
    """The document of a process with these parts."""
    paths: dict[str, Any] = {
        ROUTE: {"get": operation("describe", "This description.", answers({"type": "object"}, "OpenAPI 3.1."))}
    }
    schemas: dict[str, Schema] = {"Error": shape({"error": TEXT, "message": TEXT})}
    for part in parts:
        paths |= part.paths
        schemas |= part.schemas
    token = {"type": "http", "scheme": "bearer", "description": "What `admin.token_file` holds."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Switchhook admin API",
            "version": switchhook.__version__,
            "description": "What the services of this process tell operators, and do for them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": token}},
    }


def operation(name: str, summary: str, responses: Schema, *, body: Schema | None = None, **more: Any) -> Schema:
    """One method of an address; `body` is the schema of what is sent, `more` such as `parameters`."""
    if body is not None:
        more["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"operationId": name, "summary": summary, **more, "responses": responses}


def answers(schema: Schema, about: str, *, errors: Sequence[int] = ()) -> Schema:
    """The answers of an operation: `about` says what 200 brings, `errors` are those besides a wrong token's."""
    responses: Schema = {"200": {"description": about, "content": {"application/json": {"schema": schema}}}}
    error = {"application/json": {"schema": ref("Error")}}
    for status in sorted({401, 403, *errors}):
        responses[str(status)] = {"description": _SENTENCES[status], "content": error}
    return responses


def in_query(name: str, schema: Schema, *, is_repeated: bool = False) -> Schema:
    """A parameter that may be left out."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "array", "items": schema} if is_repeated else schema,
    }


def in_path(name: str, schema: Schema) -> Schema:
    """A parameter that is a step of the address."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def shape(properties: Mapping[str, Schema], *, optional: Sequence[str] = ()) -> Schema:
    """An object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def listed(name: str) -> Schema:
    """An array of what has the schema of this name."""
    return {"type": "array", "items": ref(name)}


def ref(name: str) -> Schema:
    """The schema of this name, from elsewhere in the document."""
    return {"$ref": f"#/components/schemas/{name}"}
