"""Access tokens: ES256 JWTs for client credentials, one live token per client.

A new token ends the previous one at once. Whether a token is good is a comparison with the live one, not a check of its
signature: a token that the PBX has replaced is dead although it is well signed.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """A live token; `expires_at` is epoch seconds."""

    text: str
    expires_at: float


class TokenOffice:
    """Issues and checks the tokens of one API client."""

    def __init__(self, *, client_id: str, client_secret: str, fqdn: str, now: Callable[[], float]) -> None:
        self.issued = 0
        self._client_id = client_id
        self._client_secret = client_secret
        self._issuer = f"https://{fqdn}:5001"
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._live: Token | None = None

    def knows(self, client_id: str, client_secret: str) -> bool:
        right = hmac.compare_digest(client_secret.encode(), self._client_secret.encode())
        return client_id == self._client_id and right

    def issue(self, *, lifetime: timedelta, roles: Sequence[str]) -> Token:
        now = self._now()
        self.issued += 1
        claims = {
            "unique_name": self._client_id,
            "role": list(roles),
            "jti": str(self.issued),
            "nbf": int(now),
            "iat": int(now),
            "exp": int(now + lifetime.total_seconds()),
            "iss": self._issuer,
            "aud": "/api",
        }
        signed = _encoded({"alg": "ES256", "typ": "JWT"}) + b"." + _encoded(claims)
        text = (signed + b"." + _base64(self._sign(signed))).decode()
        self._live = Token(text, now + lifetime.total_seconds())
        return self._live

    def good(self, text: str) -> bool:
        live = self._live
        return live is not None and live.text == text and self._now() < live.expires_at

    def expire(self) -> None:
        self._live = None

    def _sign(self, signed: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def bearer(header: str) -> str:
    """The token of an Authorization header; empty when there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _encoded(claims: object) -> bytes:
    return _base64(orjson.dumps(claims))


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
