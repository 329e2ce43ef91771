"""What went wrong with an attempt that got no answer: the client's exceptions as reasons and sentences. Pure."""

from __future__ import annotations

import re

import aiohttp
from aiohttp.http import HttpProcessingError

from services.dispatcher.guard import ForbiddenAddress
from services.dispatcher.outcome import Failure, Reason
from switchhook.telemetry.redaction import redacted as without_secrets

EXCERPT_LENGTH = 160  # characters

_LONG_NUMBER = re.compile(r"\d{2,}(?=\d{3})")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")


def failure(error: Exception, *, address: str) -> Failure:
    """The failure of an attempt at this address, as `ip:port`."""
    if isinstance(error, ForbiddenAddress):
        # Our own sentence about the operator's own network: nothing in it is secret, and all of it is needed.
        return Failure(reason=Reason.FORBIDDEN_ADDRESS, detail=str(error))
    return Failure(reason=_reason(error), detail=redacted(_sentence(error)), address=address)


def redacted(text: str, length: int = EXCERPT_LENGTH) -> str:
    """The beginning of foreign text on one line, without what may be a secret or a telephone number."""
    line = " ".join(without_secrets(text[: 4 * length]).split())
    if not line.isprintable():
        line = " ".join("".join(character if character.isprintable() else " " for character in line).split())
    words = _LONG_WORD.sub("…", line)
    return _LONG_NUMBER.sub("…", words)[:length]


def _sentence(error: Exception) -> str:
    """The error's own words, without the url: that may hold secrets in its query."""
    match error:
        case aiohttp.ClientResponseError(message=message) | HttpProcessingError(message=message):
            return message
        case aiohttp.InvalidURL():
            return ""
        case aiohttp.ConnectionTimeoutError():
            return "it took too long to connect"
        case _:
            return str(error) or type(error).__name__


def _reason(error: Exception) -> Reason:  # noqa: PLR0911 - one line per kind of error
    match error:
        case TimeoutError():
            return Reason.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Reason.DNS
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return Reason.TLS
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Reason.PROXY
        case aiohttp.ClientConnectorError():
            return Reason.CONNECT
        case aiohttp.InvalidURL():
            return Reason.INVALID_URL
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return Reason.PROTOCOL
        case aiohttp.ClientError() | ConnectionError():
            return Reason.DISCONNECTED
        case OSError():
            return Reason.CONNECT
        case _:
            return Reason.INVALID_URL
