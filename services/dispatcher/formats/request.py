"""An HTTP request as a value: what a format makes of an event, before it is sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """`url` is percent-encoded and complete; `headers` has lower-case names and only what the format decides."""

    method: Method
    url: str = field(repr=False)
    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)


class FileAddress(Protocol):
    """Makes the public address of a recording's file, signed for its recipient where links are signed."""

    def __call__(self, path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
        """The complete URL of `path`, good until `expires_at`."""
        ...
