"""What the supervisor runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from switchhook.runtime.health import ServiceHealth


class Service(Protocol):
    """An object that serves until it is cancelled."""

    @property
    def name(self) -> str:
        """One word, unique in the process."""

    async def run(self, health: ServiceHealth) -> None:
        """Serve until cancelled; call `health.ready()` once requests can be served. Returning is an error."""
