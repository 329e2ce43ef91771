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

from services.dispatcher.access import Access
from services.dispatcher.signing import signing_key
from switchhook.events import EventType, Transfer
from switchhook.settings import DEADLINES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.dispatcher.formats.request import Method
    from services.dispatcher.signing import SigningKey
    from switchhook.events import Event
    from switchhook.settings import DispatcherSettings, EndpointSettings
    from switchhook.settings.templates import TemplateSettings

URL_CHARACTERS = "%/:@!$&'()*+,;=~-._"


class EventClass(StrEnum):
    """What an endpoint subscribes to."""

    RINGING = "ringing"
    DIALING = "dialing"
    RINGING_STOPPED = "ringing_stopped"
    STARTED = "started"
    ENDED = "ended"
    COMPLETED = "completed"
    RECORDING = "recording"


class Format(StrEnum):
    """How an event becomes a request.

    `GET` and `POST` are what CRMs of the old plug-ins understand; `STANDARD` and `CLOUDEVENTS` carry everything that is
    known, `TEMPLATE` what its author chose of that.
    """

    GET = "get"
    POST = "post"
    STANDARD = "standard"
    CLOUDEVENTS = "cloudevents"
    TEMPLATE = "template"


class ContentMode(StrEnum):
    """Where a CloudEvent's attributes travel: in the body with the data, or in headers."""

    STRUCTURED = "structured"
    BINARY = "binary"


CLASS_BY_TYPE: Mapping[EventType, EventClass] = MappingProxyType(
    {
        EventType.RINGING: EventClass.RINGING,
        EventType.DIALING: EventClass.DIALING,
        EventType.RINGING_STOPPED: EventClass.RINGING_STOPPED,
        EventType.STARTED: EventClass.STARTED,
        EventType.ENDED: EventClass.ENDED,
        EventType.COMPLETED: EventClass.COMPLETED,
        EventType.RECORDING_READY: EventClass.RECORDING,
        EventType.RECORDING_ABSENT: EventClass.RECORDING,
        EventType.RECORDING_FAILED: EventClass.RECORDING,
    }
)

# The formats of the old plug-ins have words for these alone.
OLD_FORMATS = frozenset({Format.GET, Format.POST})
OLD_TYPES = frozenset(
    {EventType.RINGING, EventType.DIALING, EventType.STARTED, EventType.ENDED, EventType.RECORDING_READY}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """The templates of a request, as they were written; `url` None means the endpoint's own."""

    method: Method = "POST"
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content_type: str = "application/json"
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver. Empty filters let everything through; `schedule` holds the delays between attempts.

    `url` and `recording_url` are percent-encoded; recording events go to `recording_url` when there is one. All `keys`
    sign every attempt. `template` is there when the format is `TEMPLATE`. A class without an entry in `deadlines` is
    never too late; `rate_limit` is attempts a second.
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
    deadlines: Mapping[EventClass, timedelta] = field(default_factory=dict)
    rate_limit: float | None = None
    concurrency: int = 64
    keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    access: Access = field(default_factory=Access)
    content_mode: ContentMode = ContentMode.STRUCTURED
    template: TemplateSource | None = None

    @classmethod
    def from_settings(cls, settings: EndpointSettings, defaults: DispatcherSettings) -> Endpoint:
        """The endpoint of one `[[endpoint]]` table; what it leaves out is taken from `[dispatcher]`."""
        recording_url = settings.recording_url
        schedule = settings.retry_schedule
        return cls(
            name=settings.name,
            url=wire_url(str(settings.url)),
            format=Format(settings.format),
            events=frozenset(EventClass if settings.events is None else map(EventClass, settings.events)),
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
            deadlines=_deadlines(settings, defaults),
            rate_limit=settings.rate_limit,
            concurrency=defaults.concurrency if settings.concurrency is None else settings.concurrency,
            access=Access.from_settings(settings),
            keys=tuple(signing_key(secret.get_secret_value()) for secret in settings.secret),
            content_mode=ContentMode(settings.content_mode or ContentMode.STRUCTURED),
            template=None if settings.template is None else _template_source(settings.template),
        )


def wants(endpoint: Endpoint, event: Event) -> bool:
    """True when the event makes a delivery for the endpoint."""
    if not gets(endpoint, event.type):
        return False
    if endpoint.format in OLD_FORMATS and _is_blind_transfer_end(event) and not endpoint.blind_transfer_end:
        return False
    return (
        _passes(event.pbx, endpoint.pbx)
        and _passes(event.user, endpoint.users)
        and _passes(event.call.did, endpoint.dids)
        and _passes(event.call.direction.value, endpoint.directions)
    )


def gets(endpoint: Endpoint, event_type: EventType) -> bool:
    """True when the endpoint subscribes to events of this type, and its format has a word for them."""
    is_known = endpoint.format not in OLD_FORMATS or event_type in OLD_TYPES
    return is_known and CLASS_BY_TYPE[event_type] in endpoint.events


def deadline_of(endpoint: Endpoint, event: Event) -> datetime | None:
    """When it is too late to tell the endpoint of the event; None is never."""
    deadline = endpoint.deadlines.get(CLASS_BY_TYPE[event.type])
    if deadline is None:
        return None
    try:
        return event.occurred_at + deadline
    except OverflowError:  # the last day of the year 9999, which .NET takes for "never"
        return None


def wire_url(written: str) -> str:
    """The address as it is sent: encoded where it must be, and otherwise left alone, for it may hold a signature."""
    parts = urlsplit(written)
    authority = parts.netloc if parts.netloc.isascii() else URL(written).raw_authority
    path, query = quote(parts.path or "/", safe=URL_CHARACTERS), quote(parts.query, safe=URL_CHARACTERS + "?")
    return urlunsplit((parts.scheme, authority, path, query, ""))


def _template_source(settings: TemplateSettings) -> TemplateSource:
    return TemplateSource(
        method=settings.method,
        url=settings.url,
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
        content_type=settings.content_type,
        body=settings.body,
    )


def _deadlines(settings: EndpointSettings, defaults: DispatcherSettings) -> dict[EventClass, timedelta]:
    written = {**DEADLINES, **defaults.deadlines, **settings.deadlines}
    return {EventClass(name): deadline for name, deadline in written.items() if deadline is not None}


def _is_blind_transfer_end(event: Event) -> bool:
    return event.type is EventType.ENDED and event.transferred and event.transfer is Transfer.BLIND


def _passes(value: str, allowed: frozenset[str]) -> bool:
    return not allowed or value in allowed
