"""An answer of the call-control interface, the same over HTTP and over the websocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code and serialised JSON."""

    status: int
    body: bytes


def refused(status: HTTPStatus, detail: str) -> Answer:
    """An error, in the form of the web framework that the PBX uses."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Answer(status.value, orjson.dumps(problem))


def result(status: HTTPStatus, *, final: str, text: str, participant: bytes = b"null") -> Answer:
    """The result object of makecall and of the actions."""
    head = orjson.dumps({"finalstatus": final, "reason": "None", "reasontext": text})
    return Answer(status.value, head[:-1] + b',"result":' + participant + b"}")
