"""The vendor's published description of XAPI, where it is at hand, and what it says of an answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it comes without type information
import orjson

_BESIDE = Path(__file__).parents[3].parent / "shared" / "reference" / "xapi.json"
SCHEMA = Path(os.environ.get("SWITCHHOOK_XAPI_SCHEMA", _BESIDE))
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "minLength": 1},
                "target": {"type": ["string", "null"]},
                "details": {"type": "array"},
                "innerError": {"type": ["object", "null"]},
            },
        }
    },
}
"""Errors are not in the description; this is their form as it is documented."""


class Vendor:
    """The description."""

    def __init__(self) -> None:
        """Raises OSError where it is not at hand."""
        described: dict[str, Any] = orjson.loads(SCHEMA.read_bytes())
        self.schemas: dict[str, Any] = described["components"]["schemas"]
        self.paths: dict[str, Any] = described["paths"]
        self._plain = _plain(described["components"])

    def check(self, name: str, row: dict[str, Any]) -> None:
        """The object is one of that schema, and has no field that the schema does not have."""
        root = {"$ref": f"#/components/schemas/{name}", "components": self._plain}
        jsonschema.validate(row, root)
        self._check_names(name, row)

    def check_collection(self, name: str, body: dict[str, Any], *, is_counted: bool) -> None:
        """A collection in the vendor's envelope, each row of that schema."""
        envelope = {"@odata.context", "value"} | ({"@odata.count"} if is_counted else set())
        assert body.keys() == envelope
        assert isinstance(body["@odata.context"], str)
        for row in body["value"]:
            self.check(name, row)

    def properties(self, name: str) -> dict[str, Any]:
        """The fields of a schema, those that it inherits among them."""
        schema = self.schemas[name]
        found = dict(schema.get("properties", {}))
        for part in schema.get("allOf", []):
            found |= part.get("properties", {})
            found |= self.properties(part["$ref"].rpartition("/")[2]) if "$ref" in part else {}
        return found

    def _check_names(self, name: str, row: dict[str, Any]) -> None:
        """Also of the objects in it: a schema does not forbid what it does not name."""
        fields = self.properties(name)
        assert row.keys() <= fields.keys(), f"{name} has no {row.keys() - fields.keys()}"
        for field, value in row.items():
            inner = _reference(fields[field])
            for one in value if isinstance(value, list) else [value]:
                if inner and isinstance(one, dict):
                    self._check_names(inner, one)


def check_error(body: Any) -> None:
    """An error in the vendor's form."""
    jsonschema.validate(body, ERROR)


def _reference(schema: dict[str, Any]) -> str:
    """The name of the schema that a field, or each item of it, has; empty where it has none."""
    for part in (schema, schema.get("items", {}), *schema.get("allOf", []), *schema.get("anyOf", [])):
        if "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return ""


def _plain(schema: Any) -> Any:
    """From OpenAPI 3.0 to JSON schema: `nullable` becomes an alternative."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: _plain(value)
        for name, value in schema.items()
        if name not in {"nullable", "format", "x-ms-docs-key-type"}
    }
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made
