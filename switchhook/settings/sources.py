"""`[[pbx]]` and `[[endpoint]]`: whom Switchhook watches, and whom it tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from switchhook.settings.access import BearerToken, Network, ProxyAddress, Username
from switchhook.settings.addresses import WebAddress, WebBase
from switchhook.settings.durations import Deadline, Duration
from switchhook.settings.headers import Headers
from switchhook.settings.section import Section
from switchhook.settings.signing_secrets import SigningSecrets
from switchhook.settings.templates import TemplateSettings

EventName = Literal["ringing", "dialing", "ringing_stopped", "started", "ended", "completed", "recording"]
EndpointFormat = Literal["get", "post", "standard", "cloudevents", "template"]
DirectionName = Literal["inbound", "outbound", "internal"]
TITLE_NAMES = ("answered", "missed_queue", "missed_extension", "missed_ivr", "successful", "unanswered")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


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


def _titles(titles: dict[str, str]) -> dict[str, str]:
    for name in titles:
        if name not in TITLE_NAMES:
            raise ValueError(f'"{name}" is no title: {", ".join(TITLE_NAMES)} are')
    return titles


Name = Annotated[str, AfterValidator(_name)]
TimeZone = Annotated[str, AfterValidator(_timezone)]


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
    format: EndpointFormat = Field(
        description="`post`: the old plug-in's JSON bodies. `get`: its query strings (recordings are still POSTs). "
        "`standard`: Standard Webhooks. `cloudevents`: CloudEvents 1.0. `template`: your own."
    )
    content_mode: Literal["structured", "binary"] | None = Field(
        default=None, description="Of `cloudevents`: attributes in the body (so when unset), or in headers."
    )
    template: TemplateSettings | None = Field(
        default=None, description="Of `template`: a table with the keys of `[endpoint.template]`."
    )
    secret: SigningSecrets = Field(
        default=(),
        description="Signs every request as Standard Webhooks: `whsec_…` (HMAC) or `whsk_…` (Ed25519), one or a list; "
        "all of them sign.",
    )
    secret_file: Path | None = Field(default=None, description="File that holds `secret`, one in each line.")
    events: tuple[EventName, ...] | None = Field(
        default=None, min_length=1, description="Which events are sent; unset: all that the format has words for."
    )
    pbx: tuple[str, ...] = Field(default=(), description="Only calls of these PBXs, by name.")
    users: tuple[str, ...] = Field(default=(), description="Only events of these extensions.")
    dids: tuple[str, ...] = Field(default=(), description="Only calls that came in through these DIDs.")
    directions: tuple[DirectionName, ...] = Field(default=(), description="Only calls of these directions.")
    headers: Headers = Field(default={}, description="Sent with every webhook; treated as secrets.")
    recording_details: bool = Field(
        default=False, description="`get`, `post`: the recording's body also carries the fields of the end event."
    )
    blind_transfer_end: bool = Field(
        default=False, description="`get`, `post`: also send the transferor's own end event of a blind transfer."
    )
    retry_schedule: tuple[Duration, ...] | None = Field(
        default=None, description="Overrides `dispatcher.retry_schedule`; the first attempt is at once."
    )
    timeout: Duration | None = Field(default=None, description="Overrides `dispatcher.timeout`.")
    deadlines: dict[EventName, Deadline] = Field(
        default={}, description="Override `dispatcher.deadlines`, event by event; `never` is allowed."
    )
    rate_limit: float | None = Field(
        default=None, gt=0, le=100_000, description="Attempts a second at most; unset: as many as it bears."
    )
    concurrency: int | None = Field(default=None, ge=1, le=10_000, description="Overrides `dispatcher.concurrency`.")
    titles: Annotated[dict[str, str], AfterValidator(_titles)] = Field(
        default={},
        description="Templates of format `get`'s titles: `answered`, `missed_queue`, `missed_extension`, `missed_ivr`, "
        "`successful`, `unanswered`; with `{did}`, `{number}`, `{user}`, `{duration}`, and `[…]` around what is left "
        "out when empty.",
    )
    username: Username = Field(default="", description="Sent with `password` as basic authentication.")
    password: SecretStr | None = Field(default=None, description="The password of `username`.")
    password_file: Path | None = Field(default=None, description="File that holds `password`; read at the start.")
    bearer: BearerToken | None = Field(default=None, description="Sent as `Authorization: Bearer …`.")
    bearer_file: Path | None = Field(default=None, description="File that holds `bearer`; read at the start.")
    client_cert: Path | None = Field(
        default=None, description="Certificate (PEM) that is shown to the endpoint; read at the start."
    )
    client_key: Path | None = Field(
        default=None, description="Private key (PEM) of `client_cert`; unset: it stands in the same file."
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificate authority (PEM) to trust for this endpoint, and for an https proxy, instead of the "
        "system's; read at the start.",
    )
    proxy: ProxyAddress | None = Field(
        default=None,
        repr=False,
        description="Forward proxy, `http://` or `https://`, with `user:password@` where it asks for them. It makes "
        "the connection to the endpoint, so it has to keep out of internal networks itself.",
    )
    allow_private: tuple[Network, ...] = Field(
        default=(),
        description="Networks that this endpoint may be in although they are not public, such as `192.168.1.20/32`; "
        "any other internal, reserved or translated address is refused.",
    )
