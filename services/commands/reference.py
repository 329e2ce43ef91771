"""The reference of all configuration keys as Markdown, made from the settings models: `make docs`."""

from __future__ import annotations

import sys
import types
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import ByteSize, SecretStr

from switchhook.settings import Settings
from switchhook.settings.masked import toml_value
from switchhook.settings.section import Section, entry_of, inner_table_of, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_INTRODUCTION = """\
# Configuration

<!-- Generated from the settings models by `make docs`; changes here are overwritten. -->

One TOML file, `switchhook.toml` in the current folder or the one that `--config` (or `SWITCHHOOK_CONFIG`) names.
`switchhook check` prints the effective configuration with secrets masked, or everything that is wrong with it at once.
Unknown keys are errors. `switchhook.example.toml` is a file to start from.

* **Durations** are texts: `"200ms"`, `"5s"`, `"10m"`, `"2h"`, `"30d"`.
* **Relative paths** start at the folder of the file.
* **Secrets** may stand in files of their own: `client_secret_file` instead of `client_secret`.
* **Listen addresses** are `host:port` or `:port` (every interface); gRPC ones also `unix:/path`.
* **Environment variables** override every key; two underscores go one level down: `SWITCHHOOK_DISPATCHER__TIMEOUT=10s`.
  An entry of a list is chosen by number from 0 or by name: `SWITCHHOOK_PBX__0__CLIENT_SECRET`,
  `SWITCHHOOK_PBX__MAIN__CLIENT_SECRET`; the number after the last one adds an entry. Lists are written with commas.
  Without a file, the environment alone is enough. An unknown `SWITCHHOOK_` variable is an error.
"""

_TYPE_NAMES: dict[Any, str] = {
    bool: "true or false",
    float: "number",
    int: "whole number",
    str: "text",
    timedelta: "duration",
    time: "time of day",
    ByteSize: "size",
    Path: "path",
    SecretStr: "secret",
}


def configuration_reference() -> str:
    """The whole document."""
    return "\n".join([_INTRODUCTION, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    plain = {name: field for name, field in Settings.model_fields.items() if _section_of(field) is None}
    yield from _table("Top level", Settings.__doc__ or "", plain)
    for name, field in Settings.model_fields.items():
        section = _section_of(field)
        if section is not None:
            header = f"`[[{name}]]`" if entry_of(field.annotation) else f"`[{name}]`"
            yield from _table(header, section.__doc__ or "", section.model_fields)
            for key, inner_field in section.model_fields.items():
                if (inner := inner_table_of(inner_field.annotation)) is not None:
                    yield from _table(f"`[{name}.{key}]`", inner.__doc__ or "", inner.model_fields)


def _table(header: str, about: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield f"## {header}\n"
    yield "\n".join(line.strip() for line in about.strip().splitlines()) + "\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        description = (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | {_type_name(field.annotation)} | {_default(field)} | {description} |"
    yield ""


def _section_of(field: FieldInfo) -> type[Section] | None:
    return table_of(field.annotation) or entry_of(field.annotation)


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if inner_table_of(annotation) is not None:
        return "table"
    if origin in {Union, types.UnionType}:
        return " or ".join(_type_name(choice) for choice in arguments if choice is not type(None))
    if origin is Literal:
        return ", ".join(f'`"{choice}"`' for choice in arguments)
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"table of {_type_name(arguments[1])}"
    if annotation in _TYPE_NAMES:
        return _TYPE_NAMES[annotation]
    return _type_name(arguments[0])  # Annotated[…]: what it annotates


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if default is None or (isinstance(default, SecretStr) and not default.get_secret_value()) or default == "":
        return "unset"
    return f"`{toml_value(default)}`"


if __name__ == "__main__":
    sys.stdout.write(configuration_reference())
