"""Takes the events of the monitor: of all of them only the final end of an answered call makes work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.events import is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.recorder.catalog import Catalog
    from services.recorder.jobs import PendingCall
    from services.recorder.trouble import Trouble
    from switchhook.rpc import Received
    from switchhook.runtime.clock import Clock


class Intake:
    """Returns from `accept` when the jobs are durable; a repeat makes nothing new. `trouble`: of keeping them."""

    def __init__(
        self, catalog: Catalog, *, begin: Callable[[PendingCall], None], trouble: Trouble, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._begin = begin
        self._trouble = trouble
        self._clock = clock

    async def accept(self, events: Sequence[Received]) -> None:
        """Owe the recordings of the calls that are over. Raises `StorageError`; then nothing was accepted."""
        finals = [received for received in events if is_final(received.event) and received.event.call.links]
        if not finals:
            return
        try:
            calls = await self._catalog.accept(finals, at=self._clock())
        except StorageError as error:
            self._trouble.failed(f"calls are not accepted: {error}")
            raise
        self._trouble.succeeded()
        for call in calls:
            self._begin(call)
