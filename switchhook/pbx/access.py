"""What is needed to reach a PBX; the settings' own model of a PBX satisfies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Secret(Protocol):
    """A value that does not print itself."""

    def get_secret_value(self) -> str:
        """The value."""


class PbxAccess(Protocol):
    """Address and API client of one PBX."""

    @property
    def name(self) -> str:
        """Names the PBX in sentences."""

    @property
    def url(self) -> str:
        """`https://host[:port]`, perhaps with a path before the PBX's own."""

    @property
    def client_id(self) -> str:
        """Of the API client."""

    @property
    def client_secret(self) -> Secret:
        """Of the API client."""

    @property
    def ca_file(self) -> Path | None:
        """PEM file of an authority to trust besides the machine's own."""
