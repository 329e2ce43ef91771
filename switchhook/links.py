"""Recording links: the public name of a file, and the signature that opens it.

The path of a link never changes; everything a signature covers travels in the query: the PBX (`pbx`), the endpoint the
link was made for (`to`), the expiry in Unix seconds (`exp`), the id of the key (`kid`) and the signature (`sig`,
HMAC-SHA256 over path and the other four, base64url). A link opens one file, for one recipient, until one moment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

RECORDING_ROUTE = "/webapi/recording/"
SELF_CHECK = "_recorder"
"""The recipient of links that the recorder makes to try them; no endpoint can have this name."""

# Leading zeros are refused: one file has one name.
_NAME = re.compile(r"(?P<call>[0-9]{12}_[0-9]{1,10})-(?P<link>[1-9][0-9]{0,3})-(?P<index>[1-9][0-9]{0,3})\.mp3")
_EXPIRY = re.compile(r"[1-9][0-9]{0,11}")
_SIGNED = ("pbx", "to", "exp", "kid")
_SIGNATURE = "sig"
_MAX_QUERY = 4096


class Verdict(StrEnum):
    """What a query says about its path; `EXPIRED` is said only of a link that was genuine."""

    GENUINE = "genuine"
    MISSING = "missing"
    FORGED = "forged"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RecordingName:
    """The name of one MP3: the call, its link and the file within the link, both counted from 1."""

    call_id: str
    link: int
    index: int

    @classmethod
    def parse(cls, text: str) -> RecordingName | None:
        """The name in `<id>-<link>-<k>.mp3`, None for everything else; what it accepts has no path separator."""
        found = _NAME.fullmatch(text)
        if found is None:
            return None
        return cls(found["call"], int(found["link"]), int(found["index"]))

    def __str__(self) -> str:
        return f"{self.call_id}-{self.link}-{self.index}.mp3"


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A secret that signs links, and the id by which a link names it."""

    id: str
    secret: bytes = field(repr=False)


def recording_path(call_id: str, link: int, index: int) -> str:
    """The path of a file's public address."""
    return f"{RECORDING_ROUTE}{RecordingName(call_id, link, index)}"


def sign_link(path: str, *, pbx: str, recipient: str, expires_at: datetime, key: LinkKey) -> str:
    """The query string that opens `path` until `expires_at` (aware; rounded up to a full second)."""
    expiry = str(math.ceil(expires_at.timestamp()))
    claims = urlencode(list(zip(_SIGNED, (pbx, recipient, expiry, key.id), strict=True)))
    return f"{claims}&{urlencode({_SIGNATURE: _signature(path, claims, key)})}"


def link_query(
    path: str, *, pbx: str, recipient: str, expires_at: datetime, key: LinkKey | None, is_only_pbx: bool
) -> str:
    """What follows the path in an address, with its question mark: all that `sign_link` says.

    Without a key, for links that are open, nothing but the PBX; and not that where it is the only one: two may have
    given a call the same id.
    """
    if key is not None:
        return f"?{sign_link(path, pbx=pbx, recipient=recipient, expires_at=expires_at, key=key)}"
    return "" if is_only_pbx else f"?{urlencode({'pbx': pbx})}"


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What a query says of its link, to be trusted only with the verdict `GENUINE`; empty where it says nothing."""

    pbx: str = ""
    recipient: str = ""


def read_claims(query: str) -> LinkClaims:
    """The claims of a query that nobody has verified."""
    return _claims(_fields(query) or {})


def verify_link(path: str, query: str, *, keys: Sequence[LinkKey], now: datetime) -> tuple[Verdict, LinkClaims]:
    """Whether `query` (undecoded, without the question mark) opens `path` at `now`, and what it claims.

    Parameters of other names are ignored: mail programs and trackers add their own. One of ours twice is a forgery.
    """
    fields = _fields(query)
    if fields is None:
        return Verdict.FORGED, LinkClaims()
    return _verdict(path, fields, keys, now), _claims(fields)


def _verdict(path: str, fields: Mapping[str, str], keys: Sequence[LinkKey], now: datetime) -> Verdict:
    if not all(name in fields for name in (*_SIGNED, _SIGNATURE)):
        return Verdict.MISSING
    key = next((key for key in keys if key.id == fields["kid"]), None)
    if key is None or _EXPIRY.fullmatch(fields["exp"]) is None:
        return Verdict.FORGED
    claims = urlencode([(name, fields[name]) for name in _SIGNED])
    genuine = _signature(path, claims, key).encode()
    if not hmac.compare_digest(genuine, fields[_SIGNATURE].encode()):
        return Verdict.FORGED
    return Verdict.EXPIRED if now.timestamp() >= int(fields["exp"]) else Verdict.GENUINE


def _claims(fields: Mapping[str, str]) -> LinkClaims:
    return LinkClaims(fields.get("pbx", ""), fields.get("to", ""))


def _signature(path: str, claims: str, key: LinkKey) -> str:
    # The claims are percent-encoded, so neither they nor the path can be shifted across the line feed.
    digest = hmac.new(key.secret, f"{path}\n{claims}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _fields(query: str) -> dict[str, str] | None:
    """Our parameters, each at most once; None when they cannot be read in one way only."""
    if len(query) > _MAX_QUERY:
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        return None
    ours = [(name, value) for name, value in pairs if name in _SIGNED or name == _SIGNATURE]
    fields = dict(ours)
    return fields if len(fields) == len(ours) else None
