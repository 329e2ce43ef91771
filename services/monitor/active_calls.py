"""Reads the PBX's list of active calls: some of it by number, all of it, or what frames do not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.payloads import read_active_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from services.monitor.calls.legs import ActiveCall
    from switchhook.pbx.session import PbxSession
    from switchhook.runtime.clock import Clock

_PATH = "/xapi/v1/ActiveCalls"
_NUMBERS = 50
"""Calls asked for by number in one request: a kilobyte of address."""
_WHOLE_FROM = 0.1
"""Of the live calls; when more are asked for, the whole list is the shorter question."""


class ActiveCalls:
    """Every method raises `PbxError`."""

    def __init__(self, session: PbxSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def all(self, *, skip: Callable[[int], bool] = lambda _: False) -> Sequence[ActiveCall]:
        """Every row, but for those of the numbers to `skip`."""
        asked_at = self._clock()
        answer = await self._session.get_json(_PATH)
        return read_active_calls(answer, asked_at=asked_at, now=self._clock(), skip=skip)

    async def of(self, numbers: Collection[int], *, live: int) -> Sequence[ActiveCall]:
        """The rows of these numbers, of about `live` calls; more rows than asked for do no harm."""
        if len(numbers) > max(_NUMBERS, _WHOLE_FROM * live):
            return await self.all()
        rows: list[ActiveCall] = []
        asked = list(numbers)
        for start in range(0, len(asked), _NUMBERS):
            some = " or ".join(f"Id eq {number}" for number in asked[start : start + _NUMBERS])
            asked_at = self._clock()
            answer = await self._session.get_json(_PATH, {"$filter": some})
            rows += read_active_calls(answer, asked_at=asked_at, now=self._clock())
        return rows
