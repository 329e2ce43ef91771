"""Public addresses of recordings: where the file server is reached, and the signature that opens one file there."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_bytes
from typing import TYPE_CHECKING

from switchhook.links import LinkKey, link_query
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
    made = _addresses(settings, link_key(settings) if section.links == "signed" else None)

    def address(path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
        if section.link_ttl is not None:
            # Counted from the sending, so that a webhook that arrives late brings a link that works.
            expires_at = min(expires_at or FOR_EVER, clock() + section.link_ttl)
        return made(path, pbx=pbx, recipient=recipient, expires_at=expires_at)

    return address


def sample_addresses(settings: Settings) -> FileAddress:
    """Addresses that look like those of the file server and open nothing; no key is read or made for them."""
    return _addresses(settings, LinkKey("sample", token_bytes()) if settings.fileserver.links == "signed" else None)


def _addresses(settings: Settings, key: LinkKey | None) -> FileAddress:
    base = str(settings.fileserver.public_url).rstrip("/")
    is_only_pbx = len(settings.pbx) <= 1

    def address(path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
        until = expires_at or FOR_EVER
        query = link_query(path, pbx=pbx, recipient=recipient, expires_at=until, key=key, is_only_pbx=is_only_pbx)
        return f"{base}{path}{query}"

    return address
