"""Recordings that belong to no call that was seen: each gets a call of its own, made up from what the PBX tells of it.

Its id has a number that no call of a PBX has, so that it can be told, and never takes the place of a call that is seen
later; then the recording is the call's, and what was filed expires. Theory and event are pure; `Filing` keeps them.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.recorder.catalog import filing
from services.recorder.findings import listing
from services.recorder.hunt import Found
from services.recorder.jobs import pending_call
from switchhook.events import Call, CallId, Direction, DnKind, Event, EventType, Link, Transfer, event_id
from switchhook.rpc import Received, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.recorder.catalog import Catalog
    from services.recorder.fence import Fence
    from services.recorder.jobs import PendingCall
    from services.recorder.rows import RecordingRow

_FIRST_NUMBER = 9_000_000_000  # a PBX counts its calls from 1 at each start
_NUMBERS = 1_000_000_000


def made_up_end(pbx: str, row: RecordingRow, *, timezone: str, at: datetime) -> Event:
    """The end of the call that the recording must have been of; what the row does not tell is empty."""
    started_at = row.started_at or at
    ended_at = max(row.ended_at or started_at, started_at)
    local = started_at.astimezone(ZoneInfo(timezone))
    call_id = CallId(f"{local:%y%m%d%H%M%S}_{_FIRST_NUMBER + row.id % _NUMBERS}")
    user = row.user or min(row.sides, key=lambda side: (len(side), side), default="")
    call = Call(
        id=call_id,
        numbers=(row.call_number,) if row.call_number is not None else (),
        direction=row.direction or Direction.INBOUND,
        outside_number=row.outside_number or max(row.sides - {user}, key=len, default=""),
        did=row.did,
        arrived_at=started_at,
        links=(Link(number=1, user=user, transfer=Transfer.NONE, started_at=started_at, ended_at=ended_at),),
    )
    return Event(
        id=event_id(pbx, call_id, 0),
        type=EventType.ENDED,
        pbx=pbx,
        call=call,
        link=1,
        sequence=0,
        occurred_at=ended_at.astimezone(UTC),
        observed_at=at,
        user=user,
        user_kind=DnKind.EXTENSION,
        answered=True,
        talk_time=ended_at - started_at,
    )


class Filing:
    """Files one PBX's unmatched recordings."""

    def __init__(
        self, pbx: str, catalog: Catalog, *, timezone: str, fence: Fence, filed: Callable[[], None] = lambda: None
    ) -> None:
        """`filed` is called when there is something to convert."""
        self._pbx = pbx
        self._catalog = catalog
        self._timezone = timezone
        self._fence = fence
        self._filed = filed

    async def file(self, row: RecordingRow, at: datetime) -> None:
        """Owe the recording by itself, unless it has a call. Raises `StorageError`."""
        if await self._catalog.taken(self._pbx, [row]):
            return
        final = made_up_end(self._pbx, row, timezone=self._timezone, at=at)
        call = pending_call(final, accepted_at=at)
        await self._catalog.accept(
            [Received(final, encode(final))],
            at=at,
            is_matched=False,
            head=[*self._fence.of_pbx(self._pbx), *filing(self._pbx, final.call.id, row)],
            tail=listing([Found(link, (row,)) for link in call.links], at=at),
        )
        self._filed()

    async def resume(self, call: PendingCall, at: datetime) -> None:
        """Take up what an older version filed and did not finish. Raises `StorageError`."""
        row = await self._catalog.row_of(call)
        if row is not None:
            unit = listing([Found(link, (row,)) for link in call.looked_for], at=at)
            await self._catalog.write([*self._fence.of_pbx(self._pbx), *unit])
            self._filed()
