"""From a received webhook to the one line that the demonstration prints for it. Pure.

Reads the documented bodies and query strings as any receiver would, without a look at how they were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_ANSWERED = {"incomingcall_started", "hangupincoming"}
_GOT_THROUGH = {"outgoingcall_started", "hangupoutgoing"}
_ENDED = {"incoming", "outgoing"}
_TRANSFERS = {"Blind": ", blind transfer", "Attended": ", attended transfer", "Accomp": ", attended transfer"}
_RANG_AT = {"other": "IVR {user} answers", "queue": "waits in queue {user}", "ext": "rings at {user}"}


class Colour(StrEnum):
    """Escape sequences of a terminal."""

    PLAIN = ""
    DIM = "\x1b[2m"
    RED = "\x1b[31m"
    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    CYAN = "\x1b[36m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a receiver got: the endpoint's name, the fields with their names in lower case, and links to recordings."""

    endpoint: str
    fields: Mapping[str, str]
    links: tuple[str, ...] = ()

    @property
    def event(self) -> str:
        """The event's own word; a body with nothing but links has none, and is a recording."""
        return self.fields.get("event", "recording" if self.links else "?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What fetching a link gave; `problem` is empty when it plays."""

    seconds: float = 0.0
    size: int = 0
    problem: str = ""


def webhook_line(webhook: Webhook, at: datetime, *, in_colour: bool) -> str:
    """Time, endpoint, event, call id, outside number, user, and what happened in words."""
    fields = webhook.fields
    row = (
        f"{at:%H:%M:%S}  {webhook.endpoint:<4}  {webhook.event:<20}  {fields.get('id', ''):<20}"
        f"  {fields.get('callerid', ''):<12}  {fields.get('user', ''):<5}  {in_words(webhook)}"
    )
    return painted(row.rstrip(), _colour(webhook), in_colour=in_colour)


def link_line(endpoint: str, link: str, probe: Probe, at: datetime, *, in_colour: bool) -> str:
    """Time, endpoint, whether the link plays, and the link itself."""
    if probe.problem:
        verdict, colour = f"does not play: {probe.problem}", Colour.RED
    else:
        verdict, colour = f"plays {clock_words(probe.seconds)}, {probe.size / 1000:.1f} kB", Colour.CYAN
    return painted(f"{at:%H:%M:%S}  {endpoint:<4}  {verdict:<20}  {link}", colour, in_colour=in_colour)


def in_words(webhook: Webhook) -> str:
    """What happened, as one would say it."""
    fields = webhook.fields
    event, user = webhook.event, fields.get("user", "")
    transfer = _TRANSFERS.get(fields.get("trtype", ""), "")
    if event == "ringing":
        return _RANG_AT.get(fields.get("usertype", ""), "rings at {user}").format(user=user)
    if event == "dialing":
        return f"{user} dials out"
    if event in _ANSWERED:
        return f"{user} answers{transfer}"
    if event in _GOT_THROUGH:
        return f"{user} gets through{transfer}"
    if event in _ENDED:
        return _end_in_words(fields, is_incoming=event == "incoming")
    if event == "recording":
        return f"recording ready ({len(webhook.links)} file{'s' if len(webhook.links) != 1 else ''})"
    return "unknown event"


def clock_words(seconds: float) -> str:
    """`0:07`, from one hour on `1:00:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def painted(text: str, colour: Colour, *, in_colour: bool) -> str:
    """The text in that colour, where colours are wanted."""
    return f"{colour}{text}\x1b[0m" if in_colour and colour else text


def _end_in_words(fields: Mapping[str, str], *, is_incoming: bool) -> str:
    if title := fields.get("title"):
        return title if fields.get("transfer") != "True" else f"{title}, handed on"
    duration = fields.get("duration", "")
    if fields.get("transfer") == "True":
        return f"{fields.get('user', '')} hands it on after {duration}"
    if fields.get("finishtype") == "Missed":
        return "call over: missed" if is_incoming else "call over: not answered"
    return f"call over after {duration}"


def _colour(webhook: Webhook) -> Colour:
    if webhook.event in _ENDED:
        return Colour.YELLOW if webhook.fields.get("finishtype") == "Missed" else Colour.GREEN
    if webhook.event == "recording":
        return Colour.CYAN
    return Colour.DIM if webhook.event in {"ringing", "dialing"} else Colour.PLAIN
