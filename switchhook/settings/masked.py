"""The effective configuration as TOML that can be shown to anybody: secrets are replaced by stars."""

from __future__ import annotations

import re
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from switchhook.settings.durations import format_duration
from switchhook.settings.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchhook.settings.sections import Settings

STARS = "********"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL_CHARACTERS = (*range(0x20), 0x7F)
_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(code): f"\\u{code:04x}" for code in _CONTROL_CHARACTERS}


def masked(settings: Settings) -> str:
    """Every key with its value, also the defaults; keys without a value are left out."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    tables: list[tuple[str, Section]] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            tables.append((f"[{name}]", value))
        elif name in {"pbx", "endpoint"}:
            tables.extend((f"[[{name}]]", entry) for entry in value)
        else:
            yield f"{name} = {toml_value(value)}"
    for header, section in tables:
        yield ""
        yield header
        yield from _keys(section)


def _keys(section: Section) -> Iterator[str]:
    for key, value in _shown(section):
        yield f"{key} = {toml_value(value)}"


def _shown(section: Section) -> Iterator[tuple[str, object]]:
    """The keys that have a value which does not stand in a file."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        in_file = key in section.secret_keys() and getattr(section, f"{key}_file") is not None
        if value is None or in_file or (isinstance(value, SecretStr) and not value.get_secret_value()):
            continue
        if isinstance(value, str) and "://" in value:
            value = mask_address(value)
        yield key, dict(_shown(value)) if isinstance(value, Section) else value


def mask_address(address: str) -> str:
    """An address without its password and without the values of its query, which often are keys."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{parts.username}:{STARS}@{host}" if parts.password else parts.netloc
    names = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([(name, STARS) for name, _ in names], safe="*")
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def toml_value(value: object) -> str:
    """A value as TOML writes it; secrets as stars."""
    match value:
        case SecretStr():
            return f'"{STARS}"'
        case None | bool():  # a deadline may be None
            return '"never"' if value is None else str(value).lower()
        case int() | float():
            return str(value)
        case timedelta():
            return f'"{format_duration(value)}"'
        case time():
            return f'"{value.isoformat("minutes" if value.second == 0 else "seconds")}"'
        case str() | Path():
            return f'"{_escape(str(value))}"'
        case tuple() | list():
            return f"[{', '.join(toml_value(item) for item in value)}]"
        case dict():
            pairs = ", ".join(f"{_key(str(key))} = {toml_value(item)}" for key, item in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else f'"{_escape(key)}"'


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
