"""Signatures as Standard Webhooks define them, over `<id>.<timestamp>.<body>`. Pure.

Every key of an endpoint signs every attempt, so that a receiver that knows one of them can verify, and keys can be
exchanged one after the other without a gap.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Protocol, assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from switchhook.settings.signing_secrets import Scheme, parse_signing_secret

if TYPE_CHECKING:
    from collections.abc import Sequence


class SigningKey(Protocol):
    """Makes one signature."""

    def sign(self, content: bytes) -> str:
        """The signature with its version, such as `v1,K5oZ…=`."""
        ...


class HmacKey:
    """A secret that both sides know."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, content: bytes) -> str:
        """The HMAC-SHA256 of the content, as `v1`."""
        return _written(Scheme.HMAC, hmac.digest(self._key, content, "sha256"))


class Ed25519Key:
    """A private key; receivers have the public one."""

    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, content: bytes) -> str:
        """The Ed25519 signature of the content, as `v1a`."""
        return _written(Scheme.ED25519, self._key.sign(content))


def signing_key(written: str) -> SigningKey:
    """The key of a secret such as `whsec_…` or `whsk_…`. Raises ValueError for anything else."""
    secret = parse_signing_secret(written)
    match secret.scheme:
        case Scheme.HMAC:
            return HmacKey(secret.key)
        case Scheme.ED25519:
            return Ed25519Key(secret.key)
        case unknown:
            assert_never(unknown)


def signature_headers(event_id: str, timestamp: int, body: bytes | None, keys: Sequence[SigningKey]) -> dict[str, str]:
    """The `webhook-…` headers of one attempt, made at `timestamp` (Unix seconds); signed if there are keys.

    A request without a body signs the empty one.
    """
    headers = {"webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if keys:
        content = b"".join((event_id.encode(), b".", headers["webhook-timestamp"].encode(), b".", body or b""))
        headers["webhook-signature"] = " ".join(key.sign(content) for key in keys)
    return headers


def _written(scheme: Scheme, signature: bytes) -> str:
    return f"{scheme},{base64.b64encode(signature).decode()}"
