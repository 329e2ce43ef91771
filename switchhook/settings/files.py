"""Paths in the configuration: relative ones start at the file's folder; secrets are read from the files they name."""

from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchhook.settings.problems import problem
from switchhook.settings.section import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchhook.settings.section import Section

_READ_LATER = ("ca_file", "client_cert", "client_key", "tls_ca", "tls_cert", "tls_key")


def resolve_paths(table: dict[str, Any], model: type[Section], folder: Path) -> None:
    """Make the relative paths of one table absolute, also those in a table of paths."""
    for key, field in model.model_fields.items():
        written = table.get(key)
        if not _is_path(field.annotation):
            continue
        if isinstance(written, str) and written:
            table[key] = _absolute(written, folder)
        elif isinstance(written, dict):
            table[key] = {
                name: _absolute(each, folder) if isinstance(each, str) and each else each
                for name, each in written.items()
            }


def read_files(table: dict[str, Any], model: type[Section], path: str) -> Iterator[str]:
    """Read what one table has in files, secrets above all, and look at its other files; yields the problems."""
    for key in model.secret_keys():
        place = table.get(f"{key}_file")
        if not isinstance(place, str):
            continue
        if table.get(key):
            yield problem(f"{path}.{key}", f"is given twice: remove {key} or {key}_file")
            continue
        try:
            text = Path(place).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield problem(f"{path}.{key}_file", f"cannot read {place}: {_why(error)}")
            continue
        if not text.strip():
            yield problem(f"{path}.{key}_file", f"{place} is empty: write the {key.replace('_', ' ')} into it")
        table[key] = text.strip() if is_secret(model.model_fields[key].annotation) else text
    for key in _READ_LATER:
        place = table.get(key)
        if key in model.model_fields and isinstance(place, str) and not _is_readable(place):
            yield problem(f"{path}.{key}", f"cannot read {place}: no such file, or no right to read it")


def _absolute(written: str, folder: Path) -> str:
    return str(folder / Path(written).expanduser())


def _is_path(annotation: Any) -> bool:
    return annotation is Path or Path in typing.get_args(annotation)


def _is_readable(place: str) -> bool:
    return Path(place).is_file() and os.access(place, os.R_OK)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else "it is not UTF-8 text"
