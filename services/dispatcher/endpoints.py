"""What a configured receiver wants, and how it wants it: pure values.

Owns the question which events make a delivery for an endpoint. Does not know how an event is written as a request
(`formats`) or sent (`attempt`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from yarl import URL

from switchhook.events import EventType, Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from switchhook.events import Event
    from switchhook.settings import DispatcherSettings, EndpointSettings

URL_CHARACTERS = "%/:@!$&'()*+,;=~-._"


class EventClass(StrEnum):
    """What an endpoint subscribes to; each is one type of event in the formats `get` and `post`."""

    RINGING = "ringing"
    DIALING = "dialing"
    STARTED = "started"
    ENDED = "ended"
    RECORDING = "recording"


class Format(StrEnum):
    """How an event becomes a request: the query strings or the JSON bodies that CRMs already understand."""

    GET = "get"
    POST = "post"


CLASS_BY_TYPE: Mapping[EventType, EventClass] = MappingProxyType(
    {
        EventType.RINGING: EventClass.RINGING,
        EventType.DIALING: EventClass.DIALING,
        EventType.STARTED: EventClass.STARTED,
        EventType.ENDED: EventClass.ENDED,
        EventType.RECORDING_READY: EventClass.RECORDING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver. Empty filters let everything through; `schedule` holds the delays between attempts.

    `url` and `recording_url` are percent-encoded; recording events go to `recording_url` when there is one.
    """

    name: str
    url: str
    format: Format
    events: frozenset[EventClass] = frozenset(EventClass)
    recording_url: str | None = None
    pbx: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    dids: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    titles: Mapping[str, str] = field(default_factory=dict)
    recording_details: bool = False
    blind_transfer_end: bool = False
    schedule: tuple[timedelta, ...] = ()
    timeout: timedelta = timedelta(seconds=15)

    @classmethod
    def from_settings(cls, settings: EndpointSettings, defaults: DispatcherSettings) -> Endpoint:
        """The endpoint of one `[[endpoint]]` table; what it leaves out is taken from `[dispatcher]`."""
        recording_url = settings.recording_url
        schedule = settings.retry_schedule
        return cls(
            name=settings.name,
            url=wire_url(str(settings.url)),
            format=Format(settings.format),
            events=frozenset(EventClass(name) for name in settings.events),
            recording_url=None if recording_url is None else wire_url(str(recording_url)),
            pbx=frozenset(settings.pbx),
            users=frozenset(settings.users),
            dids=frozenset(settings.dids),
            directions=frozenset(str(direction) for direction in settings.directions),
            headers={name: value.get_secret_value() for name, value in settings.headers.items()},
            titles=dict(settings.titles),
            recording_details=settings.recording_details,
            blind_transfer_end=settings.blind_transfer_end,
            schedule=tuple(defaults.retry_schedule if schedule is None else schedule),
            timeout=defaults.timeout if settings.timeout is None else settings.timeout,
        )


def wants(endpoint: Endpoint, event: Event) -> bool:
    """True when the event makes a delivery for the endpoint."""
    event_class = CLASS_BY_TYPE.get(event.type)
    if event_class is None or event_class not in endpoint.events:
        return False
    if _is_blind_transfer_end(event) and not endpoint.blind_transfer_end:
        return False
    return (
        _passes(event.pbx, endpoint.pbx)
        and _passes(event.user, endpoint.users)
        and _passes(event.call.did, endpoint.dids)
        and _passes(event.call.direction.value, endpoint.directions)
    )


def wire_url(written: str) -> str:
    """The address as it is sent: encoded where it must be, and otherwise left alone, for it may hold a signature."""
    parts = urlsplit(written)
    authority = parts.netloc if parts.netloc.isascii() else URL(written).raw_authority
    path, query = quote(parts.path or "/", safe=URL_CHARACTERS), quote(parts.query, safe=URL_CHARACTERS + "?")
    return urlunsplit((parts.scheme, authority, path, query, ""))


def _is_blind_transfer_end(event: Event) -> bool:
    return event.type is EventType.ENDED and event.transferred and event.transfer is Transfer.BLIND


def _passes(value: str, allowed: frozenset[str]) -> bool:
    return not allowed or value in allowed
