"""From file and environment to `Settings`, or to every problem at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from switchhook.errors import ConfigError, ConfigMissing
from switchhook.settings.checks import cross_checks
from switchhook.settings.environment import apply_environment
from switchhook.settings.files import read_files, resolve_paths
from switchhook.settings.problems import join_path, problem, problems_of, unknown
from switchhook.settings.section import Section, entry_of, inner_table_of, table_of
from switchhook.settings.sections import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?P<where>.*)\)", re.DOTALL)


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The configuration of `path` (None: nothing but defaults) under that of `environ`.

    Relative paths in it start at the folder of `path`. Raises ConfigMissing, or ConfigError with all problems, each as
    `path.to[0].key: sentence`.
    """
    raw = _read(path) if path else {}
    problems = list(_take_out_misshapen(raw))
    origins, refused = apply_environment(raw, environ, Settings)
    problems += refused
    folder = path.parent.absolute() if path else Path.cwd()
    resolve_paths(raw, Settings, folder)
    for where, model, table in _tables_and_inner_ones(raw):
        resolve_paths(table, model, folder)
        problems += read_files(table, model, where)
    problems += _wrong_keys(raw)
    problems += cross_checks(raw)
    if problems:
        raise ConfigError(tuple(dict.fromkeys(_with_origin(each, origins) for each in problems)))
    return Settings.model_validate(raw)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigMissing((problem(str(path), f"cannot be read: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((problem(str(path), "is not UTF-8 text"),)) from error
    except tomllib.TOMLDecodeError as error:
        match = _TOML_PLACE.fullmatch(str(error))
        where, what = (match["where"], match["what"]) if match else ("unknown place", str(error))
        sentence = f"{what[:1].lower()}{what[1:]}: the file is not valid TOML here"
        raise ConfigError((problem(f"{path}, {where}", sentence),)) from error


def _take_out_misshapen(raw: dict[str, Any]) -> Iterator[str]:
    """Remove what is not even a table where one is needed, so that everything after this can rely on the shape."""
    for name, field in Settings.model_fields.items():
        written = raw.get(name)
        if written is None:
            continue
        if table_of(field.annotation) and not isinstance(written, dict):
            raw.pop(name)
            yield problem(name, f"must be a table: write [{name}]")
        elif entry_of(field.annotation) and not _is_list_of_tables(written):
            raw.pop(name)
            yield problem(name, f"must be a list of tables: write [[{name}]], with two brackets")


def _is_list_of_tables(written: object) -> bool:
    return isinstance(written, list) and all(isinstance(entry, dict) for entry in written)


def _tables(raw: dict[str, Any]) -> Iterator[tuple[str, type[Section], dict[str, Any]]]:
    """Every table that is there: its path, its model and its keys."""
    for name, field in Settings.model_fields.items():
        if (table := table_of(field.annotation)) is not None and name in raw:
            yield name, table, raw[name]
        elif (entry := entry_of(field.annotation)) is not None:
            for place, keys in enumerate(raw.get(name, [])):
                yield join_path(name, place), entry, keys


def _tables_and_inner_ones(raw: dict[str, Any]) -> Iterator[tuple[str, type[Section], dict[str, Any]]]:
    """Every table that is there, and the tables within it: the path, the model and the keys of each."""
    for where, model, table in _tables(raw):
        yield where, model, table
        for key, field in model.model_fields.items():
            inner, keys = inner_table_of(field.annotation), table.get(key)
            if inner is not None and isinstance(keys, dict):
                yield join_path(where, key), inner, keys


def _wrong_keys(raw: dict[str, Any]) -> Iterator[str]:
    """What each table says about its own keys; one by one, so that a wrong one does not hide the others."""
    for name in raw:
        if name not in Settings.model_fields:
            yield problem(name, unknown(name, Settings.model_fields))
    for where, model, keys in _tables(raw):
        try:
            model.model_validate(keys)
        except ValidationError as error:
            yield from problems_of(error, model=model, path=where)
    plain = {name: raw[name] for name in raw if name in Settings.model_fields and name not in _table_names()}
    try:
        Settings.model_validate(plain)
    except ValidationError as error:
        yield from problems_of(error, model=Settings, path="")


def _table_names() -> set[str]:
    fields = Settings.model_fields.items()
    return {name for name, field in fields if table_of(field.annotation) or entry_of(field.annotation)}


def _with_origin(line: str, origins: Mapping[str, str]) -> str:
    path, colon, sentence = line.partition(": ")
    return f"{path} ({origins[path]}){colon}{sentence}" if path in origins else line
