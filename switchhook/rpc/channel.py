"""Channels to sinks, over TCP or a unix socket, that notice within seconds when the other side is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from switchhook.rpc.encryption import Encryption

MAX_MESSAGE = 4 * 1024 * 1024  # bytes, both ways

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # A channel of its own for each connection: a shared one would hand its back-off on to the next.
    ("grpc.use_local_subchannel_pool", 1),
    # Services are neighbours; a proxy that the environment names is for the outside.
    ("grpc.enable_http_proxy", 0),
)


def open_channel(target: str, encryption: Encryption | None = None) -> grpc.aio.Channel:
    """A channel to `host:port` or `unix:/path`; connects when it is used, or by `channel_ready`.

    A socket of this machine is not encrypted. Raises `OSError` when a certificate cannot be read.
    """
    if encryption is None or target.startswith("unix:"):
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    return grpc.aio.secure_channel(target, encryption.channel_credentials(), options=_OPTIONS)
