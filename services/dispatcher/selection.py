"""Which deliveries are meant: what an operator may ask for, as a value, and how it is written. Pure.

The same words in a query string, in a body of the admin API and on the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.deliveries import Status
from services.dispatcher.own_events import OwnType
from switchhook.errors import AdminRefused
from switchhook.events import EventId, EventType
from switchhook.settings import parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

FIELDS = ("id", "state", "call", "event", "endpoint", "pbx", "since", "until")
# The short names that `[[endpoint]] events` uses, beside the dotted ones.
TYPES = (*(kind.value for kind in EventType), *(kind.value for kind in OwnType))
TYPE_BY_NAME = {
    **{kind: kind for kind in TYPES},
    **{kind.removeprefix("call."): kind for kind in TYPES},
    "recording": EventType.RECORDING_READY.value,
}


@dataclass(frozen=True, slots=True)
class DeliveryId:
    """An event for an endpoint; written `<event id>.<endpoint>`, for an event's id holds no full stop."""

    event: EventId
    endpoint: str

    def __str__(self) -> str:
        return f"{self.event}.{self.endpoint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What every chosen delivery has in common; an empty field lets everything through.

    `call` is `<call id>` or `<pbx>/<call id>`; `since` and `until` bound the time at which the event was accepted.
    """

    ids: tuple[DeliveryId, ...] = ()
    states: frozenset[Status] = frozenset()
    call: str = ""
    types: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    pbx: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """True when nothing but perhaps the state is asked for."""
        return not (self.ids or self.call or self.types or self.endpoints or self.pbx or self.since or self.until)


def parse_selection(given: Mapping[str, Sequence[str]], *, now: datetime) -> Selection:
    """The selection that these fields mean. Raises `AdminRefused` with a sentence that names the field."""
    for name, values in given.items():
        if any("\0" in value for value in values):
            raise invalid(f"{name}: holds a character that is in no name")
    return Selection(
        ids=tuple(dict.fromkeys(parse_delivery_id(written) for written in given.get("id", ()))),
        states=frozenset(_state(written) for written in given.get("state", ())),
        call=_one(given, "call"),
        types=frozenset(_type(written) for written in given.get("event", ())),
        endpoints=frozenset(given.get("endpoint", ())),
        pbx=frozenset(given.get("pbx", ())),
        since=_time(given, "since", now),
        until=_time(given, "until", now),
    )


def parse_delivery_id(written: str) -> DeliveryId:
    """Raises `AdminRefused`."""
    event, dot, endpoint = written.partition(".")
    if not (event and dot and endpoint) or "\0" in written:
        raise invalid(f"id: {written!r} is no delivery: write <event id>.<endpoint>, as the list shows it")
    return DeliveryId(EventId(event), endpoint)


def invalid(sentence: str) -> AdminRefused:
    """A request that cannot be understood; the sentence begins with the name of the field."""
    return AdminRefused(400, "invalid", sentence)


def _state(written: str) -> Status:
    try:
        return Status(written)
    except ValueError:
        raise invalid(f"state: {written!r} is none: choose from {', '.join(Status)}") from None


def _type(written: str) -> str:
    try:
        return TYPE_BY_NAME[written]
    except KeyError:
        raise invalid(f"event: {written!r} is none: choose from {', '.join(TYPES)}") from None


def _time(given: Mapping[str, Sequence[str]], name: str, now: datetime) -> datetime | None:
    written = _one(given, name)
    if not written:
        return None
    try:
        return parse_moment(written, now)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


def _one(given: Mapping[str, Sequence[str]], name: str) -> str:
    values = given.get(name, ())
    if len(values) > 1:
        raise invalid(f"{name}: give it once")
    return values[0] if values else ""
