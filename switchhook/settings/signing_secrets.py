"""Secrets that sign webhooks, as Standard Webhooks write them: `whsec_…` (HMAC-SHA256) and `whsk_…` (Ed25519).

Owns how they are written and what is wrong with one; never repeats a secret in a sentence. What is signed with them,
and how, is the dispatcher's.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, BeforeValidator, SecretStr

_SHORTEST, _LONGEST = 24, 64  # bytes of a symmetric secret
_SEED = 32  # bytes of an Ed25519 private key; many tools write the public key behind it
_MAKE_ONE = "make one: echo whsec_$(openssl rand -base64 32)"


class Scheme(StrEnum):
    """The version of a signature, as its prefix names it."""

    HMAC = "v1"
    ED25519 = "v1a"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """`key` is the raw secret: what the HMAC is keyed with, or the 32 bytes of an Ed25519 private key."""

    scheme: Scheme
    key: bytes = field(repr=False)


def parse_signing_secret(written: str) -> SigningSecret:
    """The secret in a text such as `whsec_…`; raises ValueError with a sentence that does not repeat it."""
    prefix, _, encoded = written.partition("_")
    match prefix:
        case "whsec":
            return SigningSecret(Scheme.HMAC, _hmac_key(_decoded(encoded)))
        case "whsk":
            return SigningSecret(Scheme.ED25519, _ed25519_key(_decoded(encoded)))
        case "whpk":
            raise ValueError("is a public key (whpk_): it verifies; what signs is its private key (whsk_)")
        case _:
            raise ValueError(f'must begin with "whsec_" (HMAC) or "whsk_" (Ed25519): {_MAKE_ONE}')


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64 after its prefix: copy it again, whole") from error


def _hmac_key(key: bytes) -> bytes:
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"holds {len(key)} bytes, but must hold {_SHORTEST} to {_LONGEST}: {_MAKE_ONE}")
    return key


def _ed25519_key(key: bytes) -> bytes:
    if len(key) not in {_SEED, 2 * _SEED}:
        raise ValueError(
            f"holds {len(key)} bytes, but an Ed25519 private key has {_SEED}, or {2 * _SEED} with its public key"
        )
    seed, public = key[:_SEED], key[_SEED:]
    if public and Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() != public:
        raise ValueError("holds a private key and the public key of another one: copy it again, whole")
    return seed


def _as_list(written: object) -> object:
    """One secret as a list of it; the lines of a file as a list."""
    return written.split() if isinstance(written, str) else written


def _checked(secret: SecretStr) -> SecretStr:
    parse_signing_secret(secret.get_secret_value())
    return secret


SigningSecrets = Annotated[tuple[Annotated[SecretStr, AfterValidator(_checked)], ...], BeforeValidator(_as_list)]
