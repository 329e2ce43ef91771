"""An access token and its life; pure.

The answer's `expires_in` means minutes on older systems and seconds on newer ones, so the token's own claims come
first. Only the length of its life is taken from them: the PBX's clock may be wrong.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_RENEWED_AT = 0.8  # of its life
_MINUTES_BELOW = 300  # an `expires_in` below this counts minutes
_DEFAULT_LIFE = timedelta(minutes=60)
_LONGEST_LIFE = timedelta(days=1)  # whatever a PBX says: it would be a mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One access token of one API client."""

    value: str
    obtained_at: datetime
    expires_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """False once it should be renewed."""
        return now < self.obtained_at + (self.expires_at - self.obtained_at) * _RENEWED_AT


def token_from_answer(answer: Mapping[str, object], *, now: datetime) -> Token | None:
    """The token in the PBX's answer; None when there is none."""
    value = answer.get("access_token")
    if not isinstance(value, str) or not value:
        return None
    life = _life_from_claims(value, now) or _life_from_answer(answer)
    return Token(value=value, obtained_at=now, expires_at=now + life)


def _life_from_claims(value: str, now: datetime) -> timedelta | None:
    claims = _claims(value)
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return None
    begins = claims.get("iat", claims.get("nbf"))
    seconds = expires - (begins if isinstance(begins, int | float) else now.timestamp())
    return _seconds(seconds) if seconds > 0 else None


def _life_from_answer(answer: Mapping[str, object]) -> timedelta:
    expires_in = answer.get("expires_in")
    if not isinstance(expires_in, int | float) or not expires_in > 0:
        return _DEFAULT_LIFE
    return _seconds(expires_in * 60 if expires_in < _MINUTES_BELOW else expires_in)


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=min(seconds, _LONGEST_LIFE.total_seconds()))


def _claims(value: str) -> Mapping[str, object]:
    """The claims of a JWT, unverified: the PBX checks its own tokens."""
    parts = value.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
