"""The keys of an endpoint that say how it is reached, and which of them exclude each other."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from switchhook.settings.addresses import parse_web_address
from switchhook.settings.problems import problem

if TYPE_CHECKING:
    from collections.abc import Iterator


def _network(written: str) -> str:
    try:
        ipaddress.ip_network(written)
    except ValueError as error:
        raise ValueError(f'must be a network such as "192.168.1.0/24": {error}') from error
    return written


def _proxy(written: str) -> str:
    parts = urlsplit(parse_web_address(written))
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must be a plain address such as http://user:password@proxy.example.com:3128")
    return written


def _username(written: str) -> str:
    if ":" in written or not written.isprintable():
        raise ValueError('must be printable and without ":"')
    return written


def _bearer(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not (value and value.isascii() and value.isprintable() and " " not in value):
        raise ValueError("must be printable ASCII without spaces: the token alone, without the word Bearer")
    return secret


Network = Annotated[str, AfterValidator(_network)]
ProxyAddress = Annotated[str, AfterValidator(_proxy)]
Username = Annotated[str, AfterValidator(_username)]
BearerToken = Annotated[SecretStr, AfterValidator(_bearer)]


def access_checks(entry: dict[str, Any], path: str) -> Iterator[str]:
    """The problems between these keys of one `[[endpoint]]`; works on the file's own table."""
    has_basic, has_password = bool(entry.get("username")), bool(entry.get("password") or entry.get("password_file"))
    has_bearer = bool(entry.get("bearer") or entry.get("bearer_file"))
    if has_password and not has_basic:
        yield problem(f"{path}.username", "is missing: username and password go together")
    if has_basic and not has_password:
        yield problem(f"{path}.password", "is missing: give password or password_file")
    if has_bearer and (has_basic or has_password):
        yield problem(f"{path}.bearer", "cannot be combined with username and password: remove one of them")
    setting = ["bearer"] if has_bearer else ["username"] if has_basic else []
    # One address may carry credentials where the other has none; the same header from two sides is always one too many.
    ours, *others = [*setting, *_other_authorizations(entry)] or [""]
    for place in others if ours not in {"url", "recording_url"} else ():
        yield problem(f"{path}.{place}", f"also sets Authorization, as {ours} does: remove one of them")
    if entry.get("client_key") and not entry.get("client_cert"):
        yield problem(f"{path}.client_cert", "is missing: client_key needs it")


def _other_authorizations(entry: dict[str, Any]) -> Iterator[str]:
    template = entry.get("template")
    for place, headers in (
        ("headers", entry.get("headers")),
        ("template.headers", template.get("headers") if isinstance(template, dict) else None),
    ):
        if isinstance(headers, dict) and any(str(name).lower() == "authorization" for name in headers):
            yield place
    for place in ("url", "recording_url"):
        if "@" in str(entry.get(place, "")).partition("://")[2].partition("/")[0]:
            yield place
