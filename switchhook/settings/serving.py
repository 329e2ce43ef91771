"""`[fileserver]`: where MP3 links are served, who may open them, and for how long."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from switchhook.settings.access import Network
from switchhook.settings.addresses import Listen, WebBase
from switchhook.settings.durations import Duration
from switchhook.settings.section import Section


def _origin(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        raise ValueError(f'must be an origin such as "https://crm.example.com", without a path (not "{written}")')
    return written.lower()


Origin = Annotated[str, AfterValidator(_origin)]


class FileserverSettings(Section):
    """The service that serves MP3 links."""

    listen: Listen = Field(default=":5001", description="Where links are served.")
    public_url: WebBase = Field(
        default="http://127.0.0.1:5001", description="What links begin with: this server as the receivers reach it."
    )
    links: Literal["signed", "open"] = Field(
        default="signed",
        description="`signed`: only a link that was announced works, until it expires. "
        "`open`: whoever guesses a path may listen, as with the old plug-in.",
    )
    link_secret: SecretStr | None = Field(
        default=None, description="Signs links; unset: a key that is made once in `data_dir`/links.key."
    )
    link_secret_file: Path | None = Field(default=None, description="File that holds `link_secret`.")
    old_link_secret_files: tuple[Path, ...] = Field(
        default=(), description="Files with former link secrets: links that they signed still work."
    )
    link_ttl: Duration | None = Field(
        default=None, description="How long a link works; unset: as long as its recording is kept."
    )
    s3_delivery: Literal["proxy", "redirect"] = Field(
        default="proxy",
        description="Recordings in a bucket: `proxy` sends them through, `redirect` sends the listener to the bucket "
        "for a minute. Encrypted ones are always sent through.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(), description="Web pages of these origins may fetch recordings by script and show the player."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="Networks of reverse proxies whose `X-Forwarded-For` names the listener's address."
    )
    audit_retention: Duration = Field(
        default=timedelta(days=90), description="How long it is kept who listened to what."
    )
    tls_cert: Path | None = Field(default=None, description="Certificate chain (PEM); with `tls_key` it serves https.")
    tls_key: Path | None = Field(default=None, description="Private key (PEM) of `tls_cert`.")
