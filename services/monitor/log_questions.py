"""What is asked of a PBX's call log: the calls of a gap, and those of any other time.

Of all questions this is the one that needs the most rights: a client may not have them, which is known from the first
question on, and is looked at again with the numbering plan.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.call_log import read_call_log
from services.monitor.calls.history import CLOCKS_APART

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.questions import Questions
    from switchhook.pbx.session import PbxSession
    from switchhook.runtime.clock import Clock

_KIND = "call_log"
_NOT_YET = timedelta(minutes=1)
"""Rows are asked for until so far into the future, lest the last ones be left out."""
_PATIENCE = timedelta(seconds=15)
_PAUSE = timedelta(milliseconds=250)


class LogQuestions:
    """To one PBX; every method gives None where it does not answer."""

    def __init__(self, session: PbxSession, questions: Questions, *, clock: Clock) -> None:
        self._session = session
        self._questions = questions
        self._clock = clock

    @property
    def is_refused(self) -> bool:
        """True when the call log is of no use to this client."""
        return self._questions.is_refused(_KIND)

    @property
    def is_failing(self) -> bool:
        """True from a failure until an answer."""
        return self._questions.is_failing(_KIND)

    async def probe(self) -> None:
        """Learn whether it may be read."""
        now = self._clock()
        await self._questions.ask(_KIND, lambda: self._since(now))

    async def of_gap(self, since: datetime) -> Sequence[Segment] | None:
        """All since then; asked for again for a while.

        A PBX comes back part by part, and nothing else tells what came and went.
        """
        give_up_at = self._clock() + _PATIENCE
        segments = await self._questions.ask(_KIND, lambda: self._since(since))
        while segments is None and not self.is_refused and self._clock() < give_up_at:
            await asyncio.sleep(_PAUSE.total_seconds())
            segments = await self._questions.ask_when_due(_KIND, lambda: self._since(since))
        return segments

    async def within(
        self, periods: Sequence[tuple[datetime, datetime]], *, numbers: AbstractSet[int] | None = None
    ) -> list[Segment] | None:
        """All of these times, or of the calls with these numbers; not asked while the question has to rest."""

        async def ask() -> list[Segment]:
            return [
                segment
                for since, until in periods
                for segment in await read_call_log(self._session, since=since, until=until, numbers=numbers)
            ]

        return await self._questions.ask_when_due(_KIND, ask)

    async def _since(self, since: datetime) -> Sequence[Segment]:
        until = self._clock() + _NOT_YET
        return await read_call_log(self._session, since=since - CLOCKS_APART, until=until)
