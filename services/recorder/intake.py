"""Takes the events of the monitor: of all of them only the final end of an answered call makes work.

What follows it, the completed call, may name the recordings; without it they are found all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.recorder.arrivals import arriving
from switchhook.errors import StorageError
from switchhook.events import is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.recorder.catalog import Catalog
    from services.recorder.jobs import PendingCall
    from services.recorder.trouble import Trouble
    from switchhook.events import Event
    from switchhook.rpc import Received
    from switchhook.runtime.clock import Clock


class Intake:
    """Returns from `accept` when the jobs are durable; a repeat makes nothing new. `trouble`: of keeping them."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        begin: Callable[[PendingCall], None],
        name: Callable[[str, str, Sequence[int]], bool],
        trouble: Trouble,
        clock: Clock,
    ) -> None:
        """`begin` looks for a call's recordings; `name` says which they are, False where another one looks."""
        self._catalog = catalog
        self._begin = begin
        self._name = name
        self._trouble = trouble
        self._clock = clock

    async def accept(self, events: Sequence[Received]) -> None:
        """Owe the recordings of the calls that are over. Raises `StorageError`; then nothing was accepted."""
        finals = [received for received in events if is_final(received.event) and received.event.call.links]
        if finals:
            await self._owe(finals)
        named = [event for event in (received.event for received in events) if event.summary is not None]
        await self._pass_on([event for event in named if not self._is_named(event)])

    async def _owe(self, finals: Sequence[Received]) -> None:
        try:
            calls = await self._catalog.accept(finals, at=self._clock())
        except StorageError as error:
            self._trouble.failed(f"calls are not accepted: {error}")
            raise
        self._trouble.succeeded()
        for call in calls:
            self._begin(call)

    def _is_named(self, event: Event) -> bool:
        ids = event.summary.recording_ids if event.summary is not None else ()
        return not ids or self._name(event.pbx, event.call.id, ids)

    async def _pass_on(self, events: Sequence[Event]) -> None:
        unit = [
            arriving(event.pbx, event.call.id, event.summary.recording_ids)
            for event in events
            if event.summary is not None
        ]
        await self._catalog.write(unit)
