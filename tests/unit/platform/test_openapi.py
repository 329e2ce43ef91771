"""The description of the admin API agrees with every service's addresses, and with the rules for descriptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped] # it comes without type information
import pytest

import services.dispatcher.openapi
import services.fileserver.openapi
import services.recorder.openapi
from services.dispatcher.api import DispatcherApi
from services.dispatcher.selection import FIELDS
from services.fileserver.api import FileserverApi
from services.recorder import selection
from services.recorder.api import RecorderApi
from switchhook.runtime.clock import utc_now
from switchhook.runtime.openapi import ROUTE, openapi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohttp.web import RouteDef


PARTS = {
    "dispatcher": (services.dispatcher.openapi.DESCRIBED, DispatcherApi(clock=utc_now).routes),
    "recorder": (services.recorder.openapi.DESCRIBED, RecorderApi(clock=utc_now).routes),
    "fileserver": (services.fileserver.openapi.DESCRIBED, FileserverApi(clock=utc_now).routes),
}
OPENAPI = openapi(described for described, _ in PARTS.values())
OPERATIONS = [(path, method, found) for path, item in OPENAPI["paths"].items() for method, found in item.items()]


@pytest.mark.parametrize("service", PARTS)
def test_every_address_is_described_and_no_other(service: str) -> None:
    described, routes = PARTS[service]
    assert _addresses(routes) == {(method, path) for path, item in described.paths.items() for method in item}


def test_services_of_one_process_do_not_get_into_each_others_way() -> None:
    assert len(OPERATIONS) == 1 + sum(len(routes) for _, routes in PARTS.values())
    assert len(OPENAPI["components"]["schemas"]) == 1 + sum(len(described.schemas) for described, _ in PARTS.values())


def test_what_a_process_does_not_run_is_not_described() -> None:
    only = openapi([PARTS["recorder"][0]])
    assert {path for path in only["paths"] if path != ROUTE} == PARTS["recorder"][0].paths.keys()
    assert set(_references(only)) == {f"#/components/schemas/{name}" for name in only["components"]["schemas"]}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_is_complete(path: str, method: str, operation: dict[str, Any]) -> None:
    assert method in {"get", "post", "delete"}
    assert operation["summary"]
    assert ("requestBody" in operation) <= (method == "post")
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
    assert _fields("ReplayOrder") == {*FIELDS, "to", "rate", "dry_run", "cursor"}
    assert _parameters("/api/v1/deliveries") == {*FIELDS, "limit", "cursor", "numbers"} - {"id"}
    assert _fields("PurgeOrder") == {*selection.FIELDS, "dry_run"}
    assert _parameters("/api/v1/recordings") == {*selection.FIELDS, "limit", "cursor", "all"}


def test_the_token_is_asked_for_everywhere() -> None:
    assert OPENAPI["openapi"].startswith("3.1.")
    assert OPENAPI["security"] == [{"token": []}]
    assert OPENAPI["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def _addresses(routes: Sequence[RouteDef]) -> set[tuple[str, str]]:
    return {(route.method.lower(), route.path) for route in routes}


def _fields(schema: str) -> set[str]:
    return set(OPENAPI["components"]["schemas"][schema]["properties"])


def _parameters(path: str) -> set[str]:
    return {each["name"] for each in OPENAPI["paths"][path]["get"]["parameters"]}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
