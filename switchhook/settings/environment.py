"""Environment variables over the configuration file: `SWITCHHOOK_DISPATCHER__TIMEOUT=10s`.

Two underscores go one level down. An entry of a list is named by its place or by its name, in upper case and with `_`
for every other character: `SWITCHHOOK_PBX__0__URL`, `SWITCHHOOK_PBX__MAIN__URL`. The place after the last one adds an
entry. A list is written with commas or as in TOML. A variable that means nothing is a problem, not ignored.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any

from switchhook.settings.problems import join_path, problem
from switchhook.settings.section import Section, entry_of, inner_table_of, is_list, is_mapping, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "SWITCHHOOK_"
# The command line's own variable, and one that only tests read.
_RESERVED = {"SWITCHHOOK_CONFIG", "SWITCHHOOK_XAPI_SCHEMA"}
# Kubernetes puts such variables for every Service named switchhook… into every container of the namespace.
_SERVICE_LINK = re.compile(
    r"SWITCHHOOK(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class _Refused(Exception):
    """The variable cannot be applied; the message says why."""


def apply_environment(
    raw: dict[str, Any], environ: Mapping[str, str], model: type[Section]
) -> tuple[dict[str, str], list[str]]:
    """Write the variables into `raw`; returns which variable set which path, and the problems."""
    origins: dict[str, str] = {}
    problems: list[str] = []
    for variable in sorted((name for name in environ if _is_ours(name)), key=_natural):
        steps = variable.removeprefix(PREFIX).lower().split("__")
        try:
            path = _set_top(raw, steps, environ[variable], model=model, origins=origins)
        except KeyError:
            problems.append(problem(variable, _unknown_variable(variable, steps, model)))
        except _Refused as refusal:
            problems.append(problem(variable, str(refusal)))
        else:
            origins[path] = variable
    return origins, problems


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name not in _RESERVED and not _SERVICE_LINK.fullmatch(name)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorts entry 2 before entry 10."""
    return [(not step.isdigit(), int(step) if step.isdigit() else 0, step) for step in name.split("__")]


def _set_top(
    raw: dict[str, Any], steps: list[str], written: str, *, model: type[Section], origins: Mapping[str, str]
) -> str:
    """Apply one variable and return the path it set; raises KeyError when nothing has that name."""
    first, rest = steps[0], steps[1:]
    annotation = model.model_fields[first].annotation
    if (table := table_of(annotation)) is not None:
        return _set_key(raw.setdefault(first, {}), rest, written, model=table, path=first, origins=origins)
    if (entry := entry_of(annotation)) is not None:
        entries = raw.setdefault(first, [])
        place = _place(entries, rest[0] if rest else "", first)
        path = join_path(first, place)
        return _set_key(entries[place], rest[1:], written, model=entry, path=path, origins=origins)
    return _set_key(raw, steps, written, model=model, path="", origins=origins)


def _place(entries: list[dict[str, Any]], step: str, table: str) -> int:
    if not step:
        raise KeyError
    if step.isdigit():
        if int(step) > len(entries):
            raise _Refused(f"there are only {len(entries)} [[{table}]] entries: the next is number {len(entries)}")
        if int(step) == len(entries):
            entries.append({})
        return int(step)
    places = [place for place, entry in enumerate(entries) if _as_step(entry.get("name")) == step]
    if not places:
        raise _Refused(f"no [[{table}]] is named {step}: use its name, or its number from 0")
    return places[0]


def _as_step(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "_", str(name).lower())


def _set_key(
    table: dict[str, Any],
    steps: list[str],
    written: str,
    *,
    model: type[Section],
    path: str,
    origins: Mapping[str, str],
) -> str:
    if not steps:
        raise KeyError
    key, rest = steps[0], steps[1:]
    annotation = model.model_fields[key].annotation
    here = f"{path}.{key}" if path else key
    _override_other_form(table, key, path, origins)
    if rest:
        if (inner_table := inner_table_of(annotation)) is not None:
            return _set_key(table.setdefault(key, {}), rest, written, model=inner_table, path=here, origins=origins)
        if len(rest) > 1 or not is_mapping(annotation):
            raise KeyError
        mapping = table.setdefault(key, {})
        inner = next((name for name in mapping if _as_step(name) == rest[0]), rest[0])
        mapping[inner] = written
        return f"{here}.{inner}"
    table[key] = _read_value(written, annotation)
    return here


def _override_other_form(table: dict[str, Any], key: str, path: str, origins: Mapping[str, str]) -> None:
    """A secret from the environment replaces the file's `<key>_file`, and the other way round."""
    other = key.removesuffix("_file") if key.endswith("_file") else f"{key}_file"
    if f"{path}.{other}" not in origins:
        table.pop(other, None)


def _read_value(written: str, annotation: Any) -> object:
    if (
        is_mapping(annotation)
        or inner_table_of(annotation)
        or (is_list(annotation) and written.lstrip().startswith("["))
    ):
        try:
            return tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise _Refused('must be written as in TOML, such as ["a", "b"] or { key = "value" }') from error
    if is_list(annotation):
        return [item.strip() for item in written.split(",") if item.strip()]
    return written


def _unknown_variable(variable: str, steps: list[str], model: type[Section]) -> str:
    place = steps[1] if len(steps) > 1 else "0"
    # Compared without the prefix, which would make every name look alike.
    near = difflib.get_close_matches(variable.removeprefix(PREFIX), list(_known_names(model, place.upper())), n=1)
    return f"unknown variable (did you mean {PREFIX}{near[0]}?)" if near else "unknown variable: no key has this name"


def _known_names(model: type[Section], place: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        table, entry = table_of(field.annotation), entry_of(field.annotation)
        inner = table or entry
        prefix = name.upper()
        if inner is None:
            yield prefix
            continue
        middle = f"__{place}" if entry else ""
        yield from (f"{prefix}{middle}__{key.upper()}" for key in inner.model_fields)
