"""How an endpoint is reached: what it is told about us, how we know it, by which way, and where it may be.

Values, and the TLS context that is made of them. Files are read once, when the service starts.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.dispatcher.guard import ForbiddenAddress, demand_allowed, literal_address
from switchhook.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.dispatcher.guard import Address, Network
    from switchhook.settings import EndpointSettings, Settings

_LOCALHOST = (ip_address("127.0.0.1"), ip_address("::1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`authorization` is the header's value, empty without; `proxy` is a url that may hold credentials.

    `tls` None trusts the authorities of the system and shows no certificate of our own.
    """

    authorization: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    proxy: str | None = field(default=None, repr=False)
    allowed: tuple[Network, ...] = ()

    @classmethod
    def from_settings(cls, settings: EndpointSettings) -> Access:
        """The access of one `[[endpoint]]` table. Raises ConfigError when a certificate or a key cannot be used."""
        return cls(
            authorization=_authorization(settings),
            tls=_tls(settings),
            proxy=settings.proxy,
            allowed=tuple(ip_network(network) for network in settings.allow_private),
        )


def access_risks(settings: Settings) -> Iterator[str]:
    """One sentence per endpoint whose url alone shows that nothing will be sent there."""
    for endpoint in settings.endpoint:
        allowed = [ip_network(network) for network in endpoint.allow_private]
        for url in filter(None, (endpoint.url, endpoint.recording_url)):
            host = urlsplit(str(url)).hostname or ""
            try:
                demand_allowed(host, map(str, told_by_name(host)), allowed)
            except ForbiddenAddress as refusal:
                yield f"endpoint {endpoint.name}: {refusal}"


def told_by_name(host: str) -> tuple[Address, ...]:
    """The addresses of a url's host that are known without asking a name server."""
    address = literal_address(host)
    if address is not None:
        return (address,)
    return _LOCALHOST if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost") else ()


def demand_usable_files(settings: Settings) -> None:
    """Raise ConfigError when certificates or keys cannot be used, with a sentence for each endpoint."""
    problems: list[str] = []
    for endpoint in settings.endpoint:
        try:
            _tls(endpoint)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _authorization(settings: EndpointSettings) -> str:
    if settings.bearer is not None:
        return f"Bearer {settings.bearer.get_secret_value()}"
    if settings.username:
        password = "" if settings.password is None else settings.password.get_secret_value()
        return "Basic " + base64.b64encode(f"{settings.username}:{password}".encode()).decode()
    return ""


def _tls(settings: EndpointSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None and settings.client_cert is None:
        return None
    context = _trusting(settings.ca_file, settings.name)
    context.set_alpn_protocols(["http/1.1"])
    if settings.client_cert is not None:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key, password=_no_password)
        except (OSError, ValueError) as error:
            # Without the name: whichever of the two files is wrong, the library does not say.
            sentence = "cannot be used: they must be a PEM certificate and its own key, without a password"
            raise ConfigError((f"endpoint {settings.name}: client_cert and client_key {sentence}",)) from error
    return context


def _trusting(authority: Path | None, name: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        sentence = f"ca_file {authority} cannot be used: it must hold PEM certificates"
        raise ConfigError((f"endpoint {name}: {sentence}",)) from error


def _no_password() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise ValueError("the key has a password")
