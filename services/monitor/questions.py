"""Asks a PBX one kind of question after the other, and lets a kind rest that has failed.

A failure is said once, to whoever looks after health and in the log, and once more when the PBX answers again.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from services.monitor.pace import Pace
from switchhook.errors import PbxAnswer, PbxError, PbxForbidden, PbxNotFound, PbxUnreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from switchhook.runtime.clock import Clock

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Questions:
    """To one PBX."""

    def __init__(
        self, pbx: str, *, clock: Clock, report: Callable[[str, str | None], None], denied_rests: timedelta
    ) -> None:
        """`report` is told what is wrong with a kind, or (None) that nothing is; one without a right `denied_rests`."""
        self._pbx = pbx
        self._clock = clock
        self._report = report
        self._denied_rests = denied_rests
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        self._refused: set[str] = set()
        self.is_denial_known = False
        """True while a missing right has been said already, under another name: it shows in several questions."""

    def is_failing(self, kind: str) -> bool:
        """True from a failure until an answer."""
        return self._paces[kind].is_failing

    def is_refused(self, kind: str) -> bool:
        """True while the PBX will not answer this kind: a right is missing, or it does not know the question."""
        return kind in self._refused

    async def ask_when_due(self, kind: str, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """As `ask`, but None as well while the kind has to rest."""
        return await self.ask(kind, ask) if self._paces[kind].is_due(self._clock()) else None

    async def ask(self, kind: str, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """The answer, or None when the PBX would not give one."""
        pace = self._paces[kind]
        try:
            answer = await ask()
        except PbxError as error:
            if not pace.is_failing:
                self._report(kind, str(error))
                level = logging.INFO if self.is_denial_known and isinstance(error, PbxForbidden) else logging.WARNING
                log.log(level, "pbx.question_failed", extra={"pbx": self._pbx, "question": kind, "reason": str(error)})
            jitter = random.uniform(-0.2, 0.2)  # noqa: S311 - spreads questions, no secret
            if isinstance(error, PbxForbidden | PbxNotFound | PbxAnswer):
                self._refused.add(kind)
            pace.failed(self._clock(), at_least=self._rest_after(error), jitter=jitter)
            return None
        if pace.is_failing:
            self._report(kind, None)
            log.info("pbx.question_answered", extra={"pbx": self._pbx, "question": kind})
        self._refused.discard(kind)
        pace.answered()
        return answer

    def _rest_after(self, error: PbxError) -> timedelta:
        if isinstance(error, PbxForbidden):
            return self._denied_rests
        return (error.retry_after if isinstance(error, PbxUnreachable) else None) or timedelta()
