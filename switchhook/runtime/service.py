"""What the supervisor runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.web import RouteDef

    from switchhook.runtime.health import ServiceHealth
    from switchhook.runtime.openapi import Described


class Service(Protocol):
    """An object that serves until it is cancelled."""

    @property
    def name(self) -> str:
        """One word, unique in the process."""

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled; call `health.ready()` once requests can be served. Returning is an error."""


@runtime_checkable
class Administered(Protocol):
    """A service with addresses of its own in the admin API; they are there before the service is ready."""

    @property
    def admin_routes(self) -> Sequence[RouteDef]:
        """Under `/api/`."""

    @property
    def admin_described(self) -> Described:
        """What these are, for the description of the API."""
