"""Public addresses of recordings: where the file server is reached, and the signature that opens one file there."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_bytes
from typing import TYPE_CHECKING

from switchhook.links import LinkKey, sign_link
from switchhook.runtime.clock import utc_now
from switchhook.settings.link_key import link_key

if TYPE_CHECKING:
    from services.dispatcher.formats import FileAddress
    from switchhook.runtime.clock import Clock
    from switchhook.settings import Settings

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)  # a recording whose retention never ends


def file_addresses(settings: Settings, *, clock: Clock = utc_now) -> FileAddress:
    """What makes addresses as the file server is configured. Raises `ConfigError` when links cannot be signed."""
    section = settings.fileserver
    base = str(section.public_url).rstrip("/")
    key = link_key(settings) if section.links == "signed" else None

    def address(path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
        if section.link_ttl is not None:
            # Counted from the sending, so that a webhook that arrives late brings a link that works.
            expires_at = min(expires_at or FOR_EVER, clock() + section.link_ttl)
        return _address(base, key, path, pbx=pbx, recipient=recipient, expires_at=expires_at)

    return address


def sample_addresses(settings: Settings) -> FileAddress:
    """Addresses that look like those of the file server and open nothing; no key is read or made for them."""
    base = str(settings.fileserver.public_url).rstrip("/")
    key = LinkKey("sample", token_bytes()) if settings.fileserver.links == "signed" else None
    return lambda path, *, pbx, recipient, expires_at: _address(
        base, key, path, pbx=pbx, recipient=recipient, expires_at=expires_at
    )


def _address(
    base: str, key: LinkKey | None, path: str, *, pbx: str, recipient: str, expires_at: datetime | None
) -> str:
    if key is None:
        return base + path
    return f"{base}{path}?{sign_link(path, pbx=pbx, recipient=recipient, expires_at=expires_at or FOR_EVER, key=key)}"
