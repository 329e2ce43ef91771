"""`[[pbx]]` and `[[endpoint]]`: whom Switchhook watches, and whom it tells."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from switchhook.settings.addresses import WebAddress, WebBase
from switchhook.settings.durations import Duration
from switchhook.settings.section import Section

EventName = Literal["ringing", "dialing", "started", "ended", "recording"]
EndpointFormat = Literal["get", "post"]
DirectionName = Literal["inbound", "outbound", "internal"]
EVENT_NAMES: tuple[EventName, ...] = get_args(EventName)
TITLE_NAMES = ("answered", "missed_queue", "missed_extension", "missed_ivr", "successful", "unanswered")
LATER_FORMATS = ("standard", "cloudevents", "template")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = {"connection", "content-length", "host", "transfer-encoding"}


def _name(written: str) -> str:
    if not _NAME.fullmatch(written):
        raise ValueError('must be letters, digits, "-" and "_", at most 63, such as "main"')
    return written


def _timezone(written: str) -> str:
    try:
        ZoneInfo(written)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'is no known time zone: write it like "Europe/Prague" (not "{written}")') from error
    return written


def _network(written: str) -> str:
    try:
        ipaddress.ip_network(written)
    except ValueError as error:
        raise ValueError(f'must be a network such as "192.168.1.0/24": {error}') from error
    return written


def _available_format(written: object) -> object:
    if written in LATER_FORMATS:
        raise ValueError(f'"{written}" is not available in this version: use "post" or "get"')
    return written


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, secret in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f'"{name}" is not a possible header name')
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f'"{name}" is set by the HTTP client itself: remove it')
        value = secret.get_secret_value()
        if not (value.isprintable() and value.isascii()):
            raise ValueError(f'the value of "{name}" must be printable ASCII on one line')
    return headers


def _titles(titles: dict[str, str]) -> dict[str, str]:
    for name in titles:
        if name not in TITLE_NAMES:
            raise ValueError(f'"{name}" is no title: {", ".join(TITLE_NAMES)} are')
    return titles


Name = Annotated[str, AfterValidator(_name)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Network = Annotated[str, AfterValidator(_network)]


class PbxSettings(Section):
    """A 3CX phone system to watch."""

    name: Name = Field(description="Names the PBX in events, links, logs and metrics; never change it afterwards.")
    url: WebBase = Field(description="Address of the PBX's web server; or of the simulator.")
    client_id: str = Field(min_length=1, description="API client, from Admin Console > Integrations > API.")
    client_secret: SecretStr = Field(
        default=SecretStr(""), description="The API client's key; this or the file is required."
    )
    client_secret_file: Path | None = Field(default=None, description="File that holds `client_secret`.")
    timezone: TimeZone = Field(default="UTC", description="Of the PBX: call ids carry its local time.")
    report_internal: bool = Field(default=False, description="Report calls between extensions too.")
    did_names: dict[str, str] = Field(
        default={}, description="Names of DID numbers, where the PBX's inbound rules do not give them."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificate authority (PEM) to trust for this PBX instead of the system's."
    )
    recorder_client_id: str = Field(
        default="",
        description="A second API client for a recorder that does not share `data_dir` with the monitor: "
        "the PBX keeps one live token per client.",
    )
    recorder_client_secret: SecretStr = Field(default=SecretStr(""), description="The second API client's key.")
    recorder_client_secret_file: Path | None = Field(
        default=None, description="File that holds `recorder_client_secret`."
    )


class EndpointSettings(Section):
    """A receiver of webhooks; every matching event goes to it in order, call by call.

    Filters that are empty let everything through.
    """

    name: Name = Field(description="Names the endpoint in logs, metrics and the delivery log.")
    url: WebAddress = Field(description="Where webhooks go.")
    recording_url: WebAddress | None = Field(
        default=None, description="Where recording events go, when not to `url`; they are always POSTs."
    )
    format: Annotated[EndpointFormat, BeforeValidator(_available_format)] = Field(
        description="`post`: JSON bodies. `get`: query strings (recordings are still POSTs)."
    )
    events: tuple[EventName, ...] = Field(default=EVENT_NAMES, min_length=1, description="Which events are sent.")
    pbx: tuple[str, ...] = Field(default=(), description="Only calls of these PBXs, by name.")
    users: tuple[str, ...] = Field(default=(), description="Only events of these extensions.")
    dids: tuple[str, ...] = Field(default=(), description="Only calls that came in through these DIDs.")
    directions: tuple[DirectionName, ...] = Field(default=(), description="Only calls of these directions.")
    headers: Annotated[dict[str, SecretStr], AfterValidator(_headers)] = Field(
        default={}, description="Sent with every webhook; treated as secrets."
    )
    recording_details: bool = Field(
        default=False, description="The recording's body also carries the fields of the end event."
    )
    blind_transfer_end: bool = Field(
        default=False, description="Also send the transferor's own end event of a blind transfer."
    )
    retry_schedule: tuple[Duration, ...] | None = Field(
        default=None, description="Overrides `dispatcher.retry_schedule`; the first attempt is at once."
    )
    timeout: Duration | None = Field(default=None, description="Overrides `dispatcher.timeout`.")
    titles: Annotated[dict[str, str], AfterValidator(_titles)] = Field(
        default={},
        description="Templates of format `get`'s titles: `answered`, `missed_queue`, `missed_extension`, `missed_ivr`, "
        "`successful`, `unanswered`; with `{did}`, `{number}`, `{user}`, `{duration}`, and `[…]` around what is left "
        "out when empty.",
    )
    allow_private: tuple[Network, ...] = Field(
        default=(),
        description="Private networks that this endpoint may be in. Checked for form only: this version "
        "sends to private addresses without restriction.",
    )
