"""Addresses to listen on, as the configuration writes them."""

from __future__ import annotations


def split_listen(listen: str) -> tuple[str | None, int]:
    """Host and port of `host:port`, `[::1]:port` or `:port`; no host means all interfaces. Raises `ValueError`."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdecimal():
        raise ValueError(f"{listen}: must be host:port or :port")
    return host.strip("[]") or None, int(port)
