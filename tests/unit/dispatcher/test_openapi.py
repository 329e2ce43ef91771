"""The description of the admin API agrees with the API, and with the rules for descriptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped] # it comes without type information
import pytest

from services.dispatcher.api import DispatcherApi
from services.dispatcher.openapi import OPENAPI
from services.dispatcher.selection import FIELDS
from switchhook.runtime.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = [(path, method, found) for path, item in OPENAPI["paths"].items() for method, found in item.items()]


def test_every_address_is_described_and_no_other() -> None:
    routes = DispatcherApi(clock=utc_now, numbers=False).routes
    assert {(route.method.lower(), route.path) for route in routes} == {
        (method, path) for path, method, _ in OPERATIONS
    }


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_is_complete(path: str, method: str, operation: dict[str, Any]) -> None:
    assert method in {"get", "post"}
    assert operation["summary"]
    named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
    assert named == set(re.findall(r"{(\w+)}", path))
    assert {"200", "401", "403"} <= set(operation["responses"])
    assert all(answer["description"] for answer in operation["responses"].values())
    for parameter in operation.get("parameters", ()):
        assert parameter["in"] in {"path", "query"}
        assert parameter["required"] is (parameter["in"] == "path")


@pytest.mark.parametrize("name", OPENAPI["components"]["schemas"])
def test_a_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(OPENAPI["components"]["schemas"][name])


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = set(_references(OPENAPI))
    assert used == {f"#/components/schemas/{name}" for name in OPENAPI["components"]["schemas"]}


def test_the_fields_are_those_that_are_understood() -> None:
    replay = OPENAPI["components"]["schemas"]["ReplayOrder"]["properties"]
    assert set(replay) == {*FIELDS, "to", "rate", "dry_run", "cursor"}
    parameters = {each["name"] for each in OPENAPI["paths"]["/api/v1/deliveries"]["get"]["parameters"]}
    assert parameters == {*FIELDS, "limit", "cursor", "numbers"} - {"id"}


def test_the_token_is_asked_for_everywhere() -> None:
    assert OPENAPI["openapi"].startswith("3.1.")
    assert OPENAPI["security"] == [{"token": []}]
    assert OPENAPI["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
