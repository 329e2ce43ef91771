"""Addresses: what a service listens on, what it connects to, and the web addresses of others.

A listen address is `host:port`, `:port` (every interface) or, for gRPC only, `unix:/path`. Port 0 takes a free one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_LAST_PORT = 65535
_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (None: every interface) and a port (0: a free one)."""

    host: str | None
    port: int

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        return is_loopback_host(self.host or "")


def is_loopback_host(host: str) -> bool:
    """True for the names and numbers of this machine itself."""
    return host in _LOOPBACK or host.startswith("127.")


def parse_tcp(written: str) -> TcpAddress:
    """Read `host:port`, `[v6]:port` or `:port`; raises ValueError with a sentence."""
    host, colon, port = written.rpartition(":")
    is_bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT or is_bare_v6:
        raise ValueError(f'must be "host:port" or ":port", such as "127.0.0.1:9464" (not "{written}")')
    return TcpAddress(host=host.strip("[]") or None, port=int(port))


def _tcp(written: str) -> str:
    parse_tcp(written)
    return written


def _tcp_or_unix(written: str) -> str:
    if written.startswith("unix:"):
        if not written.removeprefix("unix:").startswith("/"):
            raise ValueError('must be an absolute path after "unix:", such as "unix:/run/switchhook/events.sock"')
        return written
    return _tcp(written)


def _sink(written: str) -> str:
    if not written.startswith("unix:"):
        address = parse_tcp(written)
        if address.host is None or address.port == 0:
            raise ValueError(f'must name a host and a port, such as "dispatcher:50051" (not "{written}")')
    return _tcp_or_unix(written)


def parse_web_address(written: str) -> str:
    """The text itself when it is an http or https address; raises ValueError with a sentence."""
    try:
        parts = urlsplit(written)
        _ = parts.port  # raises when it is not a number
    except ValueError as error:
        raise ValueError(f"is not a web address: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must be http or https, such as https://crm.example.com/hooks")
    if not parts.hostname:
        raise ValueError("must name a host after http:// or https://")
    if any(character.isspace() for character in written):
        raise ValueError("must not contain spaces")
    if "\\" in written:
        # Who reads it decides where the host ends; two readers must not see two hosts.
        raise ValueError("must not contain a backslash: write %5C")
    return written


def _web_base(written: str) -> str:
    parts = urlsplit(parse_web_address(written))
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must be a plain address without ?query, #fragment or user name")
    return written.rstrip("/")


Listen = Annotated[str, AfterValidator(_tcp)]
RpcListen = Annotated[str, AfterValidator(_tcp_or_unix)]
Sink = Annotated[str, AfterValidator(_sink)]
WebAddress = Annotated[str, AfterValidator(parse_web_address)]
WebBase = Annotated[str, AfterValidator(_web_base)]
