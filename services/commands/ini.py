"""Reads the old plug-ins' `.ini` files as leniently as Windows does. Pure.

Sections are optional and mean nothing; keys are compared in upper case; the last of several equal keys wins.
"""

from __future__ import annotations

import codecs
import csv
import re

_COMMENT = re.compile(r"\s[;#].*")
_TRUE = {"1", "true", "yes", "on"}


def decode_text(raw: bytes) -> str:
    """Text as editors on Windows write it: UTF-8 or UTF-16 with a mark, UTF-8 without, else the western code page."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def parse_ini(text: str) -> dict[str, str]:
    """Keys in upper case with their values, in the order of the file; what is no `key = value` is left out."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in ";#[" or "=" not in stripped:
            continue
        key, _, value = stripped.partition("=")
        values[_printable(key.strip()).upper()] = _unquote(value.strip())
    return values


def parse_users(text: str) -> tuple[str, ...]:
    """The extensions of a `Users.csv`: the first number of each line, whatever separates the columns."""
    users: list[str] = []
    for row in csv.reader(re.split(r"[\r\n]+", re.sub(r"[;\t]", ",", text))):
        number = next((cell.strip() for cell in row if cell.strip().isdigit()), None)
        if number is not None and number not in users:
            users.append(number)
    return tuple(users)


def is_true(value: str) -> bool:
    """What the old plug-ins took for "on"."""
    return value.strip().lower() in _TRUE


def _printable(key: str) -> str:
    """What is unknown is shown, on terminals and in a file that bears no control characters."""
    return "".join(character if character.isprintable() else "?" for character in key)


def _unquote(value: str) -> str:
    if value[:1] in {'"', "'"} and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return _COMMENT.sub("", f" {value}").strip()
