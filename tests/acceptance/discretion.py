"""What a log must not tell: secrets, signatures, whole telephone numbers, bodies. Every product is searched for it."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
import orjson

from switchhook.rpc import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_EVENTS = "SELECT payload FROM {}events"
_LONGEST_FACT = 600  # characters; a body would be longer, and no sentence of ours is
_SHORTEST_SECRET, _SHORTEST_NUMBER = 8, 7
_SECRET_KEY = re.compile(r"(?:secret|password|token|key|authorization|url)s?$", re.IGNORECASE)
_DIGITS = re.compile(rf"\d{{{_SHORTEST_NUMBER},}}")
_PASSWORD = re.compile(r"://[^:/@\s]+:([^@\s]+)@")
_LOOKS = {
    "a secret": re.compile(r"\b(?:sig|signature|token|secret|password)=(?!\*\*\*)[\w%./+-]{6}", re.IGNORECASE),
    "a bearer token": re.compile(r"\bBearer (?!\*\*\*)\S", re.IGNORECASE),
    "a token": re.compile(r"\beyJ[\w-]{10,}\."),
    "a signature": re.compile(r"\bv1a?,[A-Za-z0-9+/]{20}"),
    "a signing secret": re.compile(r"\bwhs(?:ec|k)_[A-Za-z0-9+/]{8}"),
}


def indiscretions(lines: Iterable[str], *, numbers: AbstractSet[str], secrets: Collection[str]) -> list[str]:
    """What is wrong with the lines of a log, each with its line."""
    found = []
    lengths = {len(number) for number in numbers}
    for line in lines:
        wrong = [what for what, looks in _LOOKS.items() if looks.search(line)]
        wrong += ["a secret of the configuration" for secret in secrets if secret in line]
        wrong += ["a whole number" for run in _DIGITS.findall(line) if not numbers.isdisjoint(_within(run, lengths))]
        wrong += [f"a body: {name}" for name in _bodies(line)]
        found += [f"{what}: {line}" for what in wrong]
    return found


def secrets_of(config: str, environ: Mapping[str, str], data: Iterable[Path]) -> set[str]:
    """The secrets of a configuration, and those that the processes keep in their folders: tokens and the link key."""
    known = set(_secrets(tomllib.loads(config)))
    known |= {value for name, value in environ.items() if _SECRET_KEY.search(name)}
    for folder in data:
        for path in (*folder.glob("tokens/*.json"), *folder.glob("*key*"), *folder.glob("*token*")):
            if path.is_file():
                text = path.read_text(errors="replace")
                known |= set(_secrets(orjson.loads(text))) if path.suffix == ".json" else {text.strip()}
    known |= {password for value in known for password in _PASSWORD.findall(value)}
    return {value for value in known if len(value) >= _SHORTEST_SECRET and "://" not in value}


async def numbers_of(database: str, data: Iterable[Path]) -> set[str]:
    """The numbers of all calls that the dispatchers were told of."""
    payloads: list[bytes] = []
    if database == "sqlite:":
        for path in (folder / "dispatcher.sqlite3" for folder in data):
            if path.exists():
                with sqlite3.connect(path) as connection:
                    payloads += [payload for (payload,) in connection.execute(_EVENTS.format(""))]
                connection.close()
    else:
        connected = await asyncpg.connect(database)
        try:
            with suppress(asyncpg.UndefinedTableError):  # no dispatcher was there
                payloads += [row["payload"] for row in await connected.fetch(_EVENTS.format("switchhook_dispatcher."))]
        finally:
            await connected.close()
    calls = [decode(payload).call for payload in payloads]
    shown = {
        digits for call in calls for text in (call.outside_number, call.did) for digits in re.findall(r"\d+", text)
    }
    return {number for number in shown if len(number) >= _SHORTEST_NUMBER}


def _secrets(table: object, key: str = "") -> Iterator[str]:
    match table:
        case dict():
            for name, value in table.items():
                yield from _secrets(value, str(name))
        case list():
            for value in table:
                yield from _secrets(value, key)
        case str() if _SECRET_KEY.search(key) or key == "value":
            yield table


def _within(run: str, lengths: Collection[int]) -> Iterator[str]:
    """Every part of a run of digits that is as long as a number."""
    return (run[at : at + length] for length in lengths for at in range(len(run) - length + 1))


def _bodies(line: str) -> Sequence[str]:
    """The names of facts that may be bodies."""
    try:
        facts = orjson.loads(line)
    except ValueError:
        return ()
    return [
        name
        for name, value in facts.items()
        if name != "traceback" and (isinstance(value, dict) or (isinstance(value, str) and len(value) > _LONGEST_FACT))
    ]
