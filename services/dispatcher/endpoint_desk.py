"""The endpoints as operators see them: how each is, what waits for it, and pausing and resuming it.

Owns the report; what pausing means is told in `endpoint_states`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchhook.errors import AdminRefused
from switchhook.settings import mask_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dispatcher.delivery_log import DeliveryLog
    from services.dispatcher.endpoint_states import Endpoints
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.gate import EndpointState
    from services.dispatcher.logged import LastFailure
    from services.dispatcher.outcome import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReport:
    """One endpoint at one moment; `url` without the secrets that it may hold."""

    name: str
    url: str
    format: str
    state: EndpointState
    reason: Reason
    since: datetime
    pending: int
    oldest: datetime | None
    last_failure: LastFailure | None


class EndpointDesk:
    """For the endpoints of the configuration."""

    def __init__(self, endpoints: Sequence[Endpoint], *, states: Endpoints, log: DeliveryLog) -> None:
        self._endpoint_by_name = {endpoint.name: endpoint for endpoint in endpoints}
        self._states = states
        self._log = log

    async def reports(self) -> list[EndpointReport]:
        """All of them, as they are configured. Raises `StorageError`, as the others do."""
        return [await self._report(name) for name in self._endpoint_by_name]

    async def pause(self, name: str) -> EndpointReport:
        """Raises `AdminRefused` for a name that is not configured."""
        await self._states.pause(self.demand(name))
        return await self._report(name)

    async def resume(self, name: str) -> EndpointReport:
        """Raises `AdminRefused` for a name that is not configured."""
        await self._states.resume(self.demand(name))
        return await self._report(name)

    def demand(self, name: str) -> str:
        """The name, when it is configured. Raises `AdminRefused`."""
        if name not in self._endpoint_by_name:
            names = ", ".join(self._endpoint_by_name) or "there are none"
            raise AdminRefused(404, "no_such_endpoint", f"endpoint {name}: is not configured (known: {names})")
        return name

    async def _report(self, name: str) -> EndpointReport:
        endpoint, standing = self._endpoint_by_name[name], self._states.standing(name)
        pending, oldest = await self._log.backlog(name)
        return EndpointReport(
            name=name,
            url=mask_address(endpoint.url),
            format=endpoint.format.value,
            state=standing.state,
            reason=standing.reason,
            since=standing.since,
            pending=pending,
            oldest=oldest,
            last_failure=await self._log.last_failure(name),
        )
