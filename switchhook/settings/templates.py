"""`[endpoint.template]`: the request that an operator writes himself. Checked here for form; rendered elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from switchhook.settings.addresses import parse_web_address
from switchhook.settings.headers import Headers
from switchhook.settings.section import Section

TemplateMethod = Literal["POST", "PUT", "PATCH", "GET", "DELETE"]

_FIXED_ORIGIN = re.compile(r"https?://[^/?#{}%\s]+(?=[/?#]|$)")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9_-]+=[A-Za-z0-9\"_.+-]+)*")


def _templated_url(written: str) -> str:
    origin = _FIXED_ORIGIN.match(written)
    if origin is None:
        # Credentials and signatures must not follow what a caller or a PBX put into a call.
        raise ValueError("must begin with a fixed address such as https://crm.example.com/: templates come after that")
    parse_web_address(origin[0])
    return written


def _content_type(written: str) -> str:
    if not _CONTENT_TYPE.fullmatch(written):
        raise ValueError('must be a media type, such as "application/json" or "text/plain; charset=utf-8"')
    return written


class TemplateSettings(Section):
    """A request in the sender's own words."""

    method: TemplateMethod = Field(default="POST", description="HTTP method.")
    url: Annotated[str, AfterValidator(_templated_url)] | None = Field(
        default=None, description="Template of the address; unset: the endpoint's `url`."
    )
    headers: Headers = Field(default={}, description="Templates of further headers; treated as secrets.")
    content_type: Annotated[str, AfterValidator(_content_type)] = Field(
        default="application/json", description="Of the body."
    )
    body: str = Field(default="", description="Template of the body; this or the file.")
    body_file: Path | None = Field(default=None, description="File that holds `body`.")
