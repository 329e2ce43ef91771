"""What a PBX's refusal, or the lack of an answer, means: each becomes a `PbxError` whose sentence says what to do."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from switchhook.errors import PbxAnswer, PbxError, PbxForbidden, PbxNotFound, PbxUnauthorised, PbxUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_CALL_CONTROL = "call control API access; the PBX needs a licence with that API (8SC or more, Enterprise)"
_CONFIGURATION = "configuration API access, a real department and a role that allow it"
_ARGUMENTS = re.compile(r"\([^()]{60,}\)")
_LONGEST_WAIT = timedelta(days=1)
_MOST_DIGITS = 9  # of seconds: decades
_DETAIL_LENGTH = 200  # characters of a body that a sentence quotes


def refusal(name: str, request: str, status: int, *, body: str, retry_after: timedelta | None) -> PbxError:
    """The error for an answer that is not a success; `request` is method and path, without query."""
    where = f"pbx {name}: {_brief(request)}"
    if status == HTTPStatus.NOT_FOUND:
        return PbxNotFound(f"{where}: there is no such object (any more)")
    if status == HTTPStatus.FORBIDDEN:
        wanting = _CALL_CONTROL if "/callcontrol" in request else _CONFIGURATION
        return PbxForbidden(
            f"{where}: the API client may not do this (403): give it {wanting} (Admin Console > Integrations > API)"
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PbxUnreachable(f"{where}: the PBX cannot answer at the moment ({status}): look at its load", retry_after)
    return PbxAnswer(status, f"{where}: unexpected answer {status}{_quoted(body)}")


def token_refusal(name: str, client_id: str, status: int, *, body: str, retry_after: timedelta | None) -> PbxError:
    """The error for a token request that was not granted."""
    if status == HTTPStatus.BAD_REQUEST and "HTTPS port" in body:
        return PbxAnswer(status, f"pbx {name}: url begins with http:// but that port speaks HTTPS: write https://")
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return PbxUnauthorised(
            f"pbx {name}: the PBX refused client_id {client_id} ({status}): check client_id and client_secret"
            " (Admin Console > Integrations > API), and that the console's restrictions allow this machine's address"
        )
    if status == HTTPStatus.NOT_FOUND:
        return PbxAnswer(
            status, f"pbx {name}: url has no /connect/token: it is not a 3CX of version 20 or later, or the wrong port"
        )
    return refusal(name, "POST /connect/token", status, body=body, retry_after=retry_after)


def token_rejected(name: str, client_id: str) -> PbxUnauthorised:
    """The PBX grants tokens and then does not accept them."""
    return PbxUnauthorised(
        f"pbx {name}: the PBX rejects the tokens that it gives client_id {client_id}: does another program use the same"
        " API client? A PBX keeps one live token for each; make a client of its own for each program"
    )


def unreachable(name: str, url: str, error: Exception) -> PbxError:
    """The error for a request that got no answer; `url` is the PBX's configured one."""
    where = f"pbx {name}: {url}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            sentence = (
                f"its certificate is not trusted ({error.certificate_error}): set ca_file to the certificate of the"
                " authority that signed it, or use the host name that the certificate is for"
            )
        case aiohttp.ClientConnectorSSLError():
            sentence = f"no TLS connection ({error.os_error}): is it the HTTPS port?"
        case aiohttp.ClientConnectorDNSError():
            sentence = "its host name is not known: check url, and the name servers of this machine"
        case aiohttp.ClientConnectorError():
            sentence = f"cannot be connected to ({_system_word(error.os_error)}): check url and firewall"
        case TimeoutError():
            sentence = "does not answer in time: is it overloaded, or does a firewall swallow what is sent?"
        case aiohttp.ServerDisconnectedError() if url.startswith("http://"):
            sentence = "it closed the connection without an answer: is it an HTTPS port? Then url begins with https://"
        case _:
            sentence = f"the connection broke ({type(error).__name__}): look at the PBX and at what is in between"
    return PbxUnreachable(f"{where}: {sentence}")


def not_json(name: str, request: str) -> PbxAnswer:
    """The error for a successful answer that does not parse."""
    return PbxAnswer(
        HTTPStatus.OK, f"pbx {name}: {_brief(request)}: the answer is not JSON: is url the PBX's own address?"
    )


def too_long(name: str, request: str, limit: int) -> PbxAnswer:
    """The error for an answer of more than `limit` bytes."""
    return PbxAnswer(HTTPStatus.OK, f"pbx {name}: {_brief(request)}: the answer has more than {limit // 2**20} MiB")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """The `Retry-After` header, in either of its forms, at most a day; None when absent, unreadable or past."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(timedelta(seconds=int(value[:_MOST_DIGITS])), _LONGEST_WAIT)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        wait = parsedate_to_datetime(value) - now
        return min(wait, _LONGEST_WAIT) if wait > timedelta() else None
    return None


def _brief(request: str) -> str:
    """Without a function's many arguments, which nobody reads."""
    return _ARGUMENTS.sub("(…)", request)


def _system_word(error: OSError) -> str:
    """`Connection refused` rather than the address once more, which asyncio puts in its place."""
    return os.strerror(error.errno) if error.errno else error.strerror or type(error).__name__


def _quoted(body: str) -> str:
    text = " ".join(body.split())[:_DETAIL_LENGTH]
    return f": {text}" if text else ""
