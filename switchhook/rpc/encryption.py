"""TLS between services, when `[rpc]` names certificates: each side shows one, and trusts those of one authority alone.

The files are read again for every connection, so that certificates can be exchanged while everything runs.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from switchhook.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from switchhook.settings import RpcSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """Certificate chain, private key and authority, each a PEM file."""

    cert: Path
    key: Path
    authority: Path

    @classmethod
    def from_settings(cls, section: RpcSettings) -> Encryption | None:
        """None: unencrypted. Raises `ConfigError` when a file cannot be read."""
        if section.tls_cert is None or section.tls_key is None or section.tls_ca is None:
            return None
        encryption = cls(cert=section.tls_cert, key=section.tls_key, authority=section.tls_ca)
        try:
            encryption.channel_credentials()
        except OSError as error:
            raise ConfigError((f"rpc: {error.filename} cannot be read ({error.strerror})",)) from error
        return encryption

    def server_credentials(self) -> grpc.ServerCredentials:
        """Of a server that takes only producers with a certificate of the authority."""
        known = self._server_configuration()

        def fresh() -> grpc.ServerCertificateConfiguration:
            # Asked at every handshake; a file may be missing while it is exchanged.
            nonlocal known
            with contextlib.suppress(OSError):
                known = self._server_configuration()
            return known

        return grpc.dynamic_ssl_server_credentials(known, fresh, require_client_authentication=True)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """As the files are now. Raises `OSError`."""
        return grpc.ssl_channel_credentials(
            root_certificates=self.authority.read_bytes(),
            private_key=self.key.read_bytes(),
            certificate_chain=self.cert.read_bytes(),
        )

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self.key.read_bytes(), self.cert.read_bytes())], root_certificates=self.authority.read_bytes()
        )
