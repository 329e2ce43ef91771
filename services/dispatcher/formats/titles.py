"""The title of an end event in the format `get`: one sentence about the call, from a template. Pure.

Placeholders are `{did} {number} {user} {duration}`. A piece in square brackets is left out when a placeholder in it is
empty: `[{did}:]` writes the colon only where there is a DID.
"""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from services.dispatcher.formats.values import end_name, short_duration
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from switchhook.events import Event

CALLBACK_REQUESTED = ", callback requested"


class Title(StrEnum):
    """The sentences; an endpoint's `titles` may replace each under this name."""

    ANSWERED = "answered"
    MISSED_QUEUE = "missed_queue"
    MISSED_EXTENSION = "missed_extension"
    MISSED_IVR = "missed_ivr"
    SUCCESSFUL = "successful"
    UNANSWERED = "unanswered"


TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        Title.ANSWERED: "[{did}:]Answered call from {number} ({duration})",
        Title.MISSED_QUEUE: "[{did}:]Missed call by queue {user} from {number}",
        Title.MISSED_EXTENSION: "[{did}:]Missed call by extension {user} from {number}",
        Title.MISSED_IVR: "[{did}:]Missed call by IVR {user} from {number}",
        Title.SUCCESSFUL: "Successful call to {number} ({duration})",
        Title.UNANSWERED: "Unanswered call to {number}",
    }
)

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACEHOLDER = re.compile(r"\{(did|number|user|duration)\}")


def title(event: Event, templates: Mapping[str, str]) -> str:
    """The sentence about an end event; `templates` replaces the default ones it names."""
    kind = title_of(event)
    template = templates.get(kind) or TEMPLATES[kind]
    values = {
        "did": event.call.did,
        "number": event.call.outside_number,
        "user": event.user,
        "duration": short_duration(event),
    }
    text = _fill(template, values)
    return text + CALLBACK_REQUESTED if event.callback_requested else text


def title_of(event: Event) -> Title:
    """Which sentence fits the end event."""
    if end_name(event) == "outgoing":
        return Title.SUCCESSFUL if event.answered else Title.UNANSWERED
    if event.answered:
        return Title.ANSWERED
    match event.user_kind:
        case DnKind.QUEUE:
            return Title.MISSED_QUEUE
        case DnKind.IVR | DnKind.ROUTE_POINT | DnKind.VOICEMAIL:
            return Title.MISSED_IVR
        case _:
            return Title.MISSED_EXTENSION


def _fill(template: str, values: Mapping[str, str]) -> str:
    def keep_if_full(match: re.Match[str]) -> str:
        piece = match[1]
        names = _PLACEHOLDER.findall(piece)
        if not names:
            return match[0]
        return piece if all(values[name] for name in names) else ""

    return _PLACEHOLDER.sub(lambda match: values[match[1]], _OPTIONAL.sub(keep_if_full, template))
