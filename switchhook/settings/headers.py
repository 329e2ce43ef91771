"""Headers that an operator adds to webhooks: names that are possible and free, values on one line, kept as secrets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = {"connection", "content-length", "host", "transfer-encoding"}


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


Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
