"""Calls without legs: is such a call over, or on its way to somebody else? Only the PBX knows; here stands what to ask.

A call is asked about at once, soon again, then once a second as long as the PBX says that it lives. Where it will not
say, a call that found no new leg within the grace is over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.routing import goes_on
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from services.monitor.calls.legs import ActiveCall
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister

_FIRST_ASK_AGAIN = timedelta(milliseconds=100)
_LAST_ASK_AGAIN = timedelta(seconds=1)
_LATEST = timedelta(seconds=5)  # more than the last pause: rows of the call log may be seconds ahead
_DUE_SOON = timedelta(milliseconds=500)
_ALONG = 50
"""Numbers up to which calls that are due soon are asked about along with those that are due: it is one request."""


class Vacancies:
    """The questions about the vacant calls of a register."""

    def __init__(self, register: CallRegister, *, grace: timedelta) -> None:
        self._register = register
        self._grace = grace
        self._watched_since: datetime | None = None

    def watched_again(self, at: datetime) -> None:
        """A gap is over: in it nobody could have seen a new leg, so the grace of every vacant call begins now."""
        self._watched_since = at

    def questions(self, at: datetime) -> list[int]:
        """The numbers to ask about now: of the calls that are due, and of consultations that may have replaced them.

        A call that is due later than any can be was vacated by a clock that has been set back since: it is due.
        """
        due = self._numbers(at, limit=None, latest=at + _LATEST)
        if due and len(due) < _ALONG:
            due |= self._numbers(at + _DUE_SOON, limit=_ALONG - len(due), latest=at + _LATEST)
        return list(due)

    def next_question_at(self) -> datetime | None:
        """When the next question is due; None when there is none."""
        return min((call.ask_at for call in self._register.vacant() if call.ask_at is not None), default=None)

    def over(
        self,
        numbers: Collection[int],
        rows: Sequence[ActiveCall] | None,
        plan: NumberingPlan,
        *,
        asked_at: datetime,
        at: datetime,
    ) -> Iterator[tuple[LiveCall, datetime]]:
        """The calls that are over by the PBX's answer, and since when; the others are to be asked about again."""
        alive = None if rows is None else {row.number: row for row in rows}
        for call in self._register.vacant():
            since = call.vacant_since
            if since is None or asked_at < since <= at or call.numbers[0] not in numbers:
                continue
            is_first_answer = call.ask_at == since
            if alive is None:
                waited = at - max(since, self._watched_since or since)
                is_over, over_at = waited >= self._grace and not is_first_answer, since
            else:
                is_over, over_at = not self._lives(call, alive, plan), since if is_first_answer else at
            if is_over:
                yield call, over_at
                continue
            if is_first_answer:
                self._register.touch(call)  # that it outlived its last leg must outlive a restart
            elif alive is not None:
                goes_on(call, since)
                self._register.touch(call)
            call.ask_at = at + min(max(at - since, _FIRST_ASK_AGAIN), _LAST_ASK_AGAIN)

    def _numbers(self, until: datetime, *, limit: int | None, latest: datetime) -> dict[int, None]:
        found: dict[int, None] = {}
        for call in self._register.vacant():
            if limit is not None and len(found) >= limit:
                break
            if call.ask_at is not None and not until < call.ask_at <= latest:
                for one in (call, *self._register.consultations_of(call)):
                    found.update(dict.fromkeys(one.numbers))
        return found

    def _lives(self, call: LiveCall, alive: dict[int, ActiveCall], plan: NumberingPlan) -> bool:
        """A call lives when one of its numbers does, or when the outside party is in a consultation of it now."""
        if any(number in alive for number in call.numbers):
            return True
        for consultation in self._register.consultations_of(call):
            row = alive.get(consultation.numbers[0])
            if row is not None and DnKind.TRUNK in (plan.kind_of(row.caller_dn), plan.kind_of(row.callee_dn)):
                return True
        return False
