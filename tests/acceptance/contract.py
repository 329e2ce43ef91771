"""The documented payloads, and how what was received is compared with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.receiver import Webhook

FOLDER = Path(__file__).parent.parent / "contract"
_ID = re.compile(r"\d{12}_\d+")
_TITLE_DURATION = re.compile(r"\((\d+):(\d\d)\)")
_SECONDS_OFF = 0.75  # what a loaded machine may add to a talk, or take from it


@dataclass(frozen=True, slots=True)
class Expected:
    """One documented webhook: the pairs of its query or body, in order."""

    method: str
    pairs: tuple[tuple[str, Any], ...]


def scenarios(family: str) -> dict[str, list[Expected]]:
    """Name → documented webhooks of `post` or `get`, the attended transfer's cause put before its effect."""
    read = orjson.loads((FOLDER / f"{family}.json").read_bytes())["scenarios"]
    return {one["scenario"]: _events(one["events"], family) for one in read}


def received(webhook: Webhook) -> Expected:
    """What came, in the same form; links without their signatures."""
    if webhook.method == "GET":
        pairs = [tuple(pair.split("=", 1)) for pair in webhook.raw_query.split("&")]
        return Expected("GET", tuple((key, unquote(value)) for key, value in pairs))
    return Expected("POST", tuple((key, _bare(value)) for key, value in orjson.loads(webhook.body).items()))


def matches(got: Expected, wanted: Expected, *, call: str, base: str, talks: Sequence[float]) -> bool:
    """True when keys, order and values are the documented ones.

    A duration may be that of one of the `talks` (seconds) as the PBX really held them, if it differs.
    """
    if got.method != wanted.method or len(got.pairs) != len(wanted.pairs):
        return False
    for (key, value), (wanted_key, template) in zip(got.pairs, wanted.pairs, strict=True):
        text = orjson.dumps(template).decode().replace("{call}", call).replace("{base}", base)
        if key != wanted_key or not (value == orjson.loads(text) or _is_talk(key, value, talks)):
            return False
    return True


def call_of(webhook: Webhook) -> str:
    """The call's id in a webhook, without its link."""
    found = _ID.search(webhook.raw_query or webhook.body.decode())
    assert found is not None, webhook
    return found[0]


def _events(events: list[dict[str, Any]], family: str) -> list[Expected]:
    if family == "get":
        rows = [one["query"] for one in events]
        return [_get(row) for row in rows]
    payloads = [one["payload"] for one in events]
    started = next((n for n, one in enumerate(payloads) if one.get("Trtype") == "Attended"), None)
    if started is not None and payloads[started + 1]["Event"] == "ringing":
        payloads[started], payloads[started + 1] = payloads[started + 1], payloads[started]
    return [Expected("POST", tuple(one.items())) for one in payloads]


def _get(row: str) -> Expected:
    if row.startswith("{base}"):
        return Expected("POST", (("id", "{call}-1"), ("FILES", [row])))
    return Expected("GET", tuple((key, value) for key, _, value in (pair.partition("=") for pair in row.split("&"))))


def _bare(value: object) -> object:
    if isinstance(value, list):
        return [urlsplit(address)._replace(query="").geturl() for address in value]
    return value


def _is_talk(key: str, value: object, talks: Sequence[float]) -> bool:
    if key == "Duration" and isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value):
        minutes, seconds = value.split(":")
    elif key == "title" and isinstance(value, str) and (found := _TITLE_DURATION.search(value)):
        minutes, seconds = found.groups()
    else:
        return False
    return any(abs(int(minutes) * 60 + int(seconds) - talk) <= _SECONDS_OFF for talk in talks)
