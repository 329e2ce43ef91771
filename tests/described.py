"""Holds answers of the admin API against their description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # it comes without type information

from switchhook.runtime.openapi import openapi

if TYPE_CHECKING:
    from switchhook.runtime.openapi import Described


def validate(answer: object, name: str, *parts: Described) -> None:
    """The answer is what the description says of the schema of that name."""
    document = {"$ref": f"#/components/schemas/{name}", "components": openapi(parts)["components"]}
    jsonschema.validate(answer, document, format_checker=jsonschema.FormatChecker())
