"""The grammar of a scenario's lines: a moment, a verb, words and facts.

    5.104000 upsert 204/3 Ringing call=11 party=117 number=117 name="a b"
      row 10 caller=10007

A fact is `name=value`; a value that is not plain is a JSON string. A line that begins with a blank belongs to the one
above it, which says with `lines=` how many there are: a block that a kill cut short is recognised, and left out.
Moments are seconds since the scenario's start, to the microsecond.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD = re.compile(r'([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?')
_PLAIN = re.compile(r"[!#-~]*")  # printable, no quotation mark


class ScenarioError(Exception):
    """A scenario that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words and the facts of a line."""

    plain: tuple[str, ...]
    facts: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.facts or name in self.plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One line of the frames, with the lines that belong to it."""

    at: datetime
    verb: str
    words: Words
    block: tuple[Words, ...] = field(default=())

    @property
    def facts(self) -> Mapping[str, str]:
        """The facts of the line itself."""
        return self.words.facts


def words_of(text: str) -> Words:
    """The words of a line. Raises `ScenarioError`."""
    plain: list[str] = []
    facts: dict[str, str] = {}
    for match in _WORD.finditer(text):
        name, value = match[1], match[2]
        if value is None:
            plain.append(name)
            continue
        try:
            facts[name] = json.loads(value) if value.startswith('"') else value
        except ValueError as error:
            raise ScenarioError(f"no JSON string: {value}") from error
    return Words(tuple(plain), facts)


def fact(name: str, value: str | int) -> str:
    """`name=value`, in quotation marks where it needs them."""
    text = str(value)
    return f"{name}={text if _PLAIN.fullmatch(text) else json.dumps(text)}"


def seconds(at: datetime, start: datetime) -> str:
    """A moment as the number of seconds since the start."""
    return f"{(at - start) / timedelta(seconds=1):.6f}"


def moment(text: str, start: datetime) -> datetime:
    """The moment that `seconds` wrote. Raises `ScenarioError`."""
    try:
        return start + timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise ScenarioError(f"no moment: {text}") from error


def block(head: str, lines: Iterable[str]) -> str:
    """A line and those that belong to it, as text that ends with a line end."""
    below = list(lines)
    return "\n".join((f"{head} lines={len(below)}", *(f"  {line}" for line in below), ""))
