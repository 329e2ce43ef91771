"""The picture of one PBX: its live calls, and how a call begins, gets the legs of a consultation, and is over.

Owns what all rules share: the register, the numbering plan, and whether what is told now happened in a gap. What the
frames, snapshots and rows mean is said by the modules beside it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.monitor.calls import consulting, ending
from services.monitor.calls.outside import learn_from_row
from services.monitor.calls.register import CallRegister
from services.monitor.calls.unshown import UnshownCalls
from services.monitor.calls.vacancies import Vacancies
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta, tzinfo

    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan


class Picture:
    """`grace` is how long a call without legs may live when the PBX will not say."""

    def __init__(
        self, pbx: str, plan: NumberingPlan, *, timezone: tzinfo, report_internal: bool, grace: timedelta
    ) -> None:
        self.plan = plan
        self.register = CallRegister(pbx, timezone)
        self.vacancies = Vacancies(self.register, grace=grace)
        self.unshown = UnshownCalls()
        self.logged_ends: dict[LegKey, datetime] = {}
        """When legs were gone, by the log, under whose keys others are shown: those of calls that got their numbers."""
        self._report_internal = report_internal
        self._is_in_gap = False
        self._found_rows: dict[int, ActiveCall] | None = None  # while a gap's end shows what is older than that moment

    @contextmanager
    def in_gap(self, *, found: Sequence[ActiveCall] | None = None) -> Iterator[None]:
        """Whatever is told meanwhile happened while nobody watched.

        With `found`, the active calls of its end, a call that begins now is older than this moment.
        """
        self._is_in_gap = True
        self._found_rows = None if found is None else {row.number: row for row in found}
        try:
            yield
        finally:
            self._is_in_gap, self._found_rows = False, None

    def begin(self, leg: Leg, at: datetime) -> LiveCall:
        """A call that was not known, with the leg that shows it."""
        call = self.register.begin(leg.number, at)
        if self._found_rows is not None:
            call.is_found_late = True
            if (row := self._found_rows.get(leg.number)) is not None:
                learn_from_row(call, row, self.plan)
        if not leg.shows_outside and leg.kind is DnKind.EXTENSION:
            outside = consulting.consulted_call(leg, self.register, at, alive=self._found_rows or ())
            if outside is not None:
                self.register.consults(call, outside)
                consulting.begun(outside, leg)
        return call

    def join(self, consultation: LiveCall, at: datetime) -> LiveCall:
        """The consultation's number is now that of the outside call: its legs move there."""
        outside = self.register.by_number(consultation.consults)
        if outside is None:
            self.register.consults(consultation, None)
            return consultation
        legs, consultation.legs = consultation.legs, {}
        self.register.forget(consultation, at)
        self.register.also_known_as(outside, consultation.numbers)
        for leg in legs.values():
            outside.legs[leg.key] = leg
            self.register.seen(leg, outside, at)
        self.register.occupy(outside)
        self.touch(outside)
        return outside

    def vacate(self, call: LiveCall, at: datetime) -> None:
        """The call lost its last leg: the PBX is to be asked whether it lives; one that is not reported is over."""
        if self.is_reported(call):
            self.register.vacate(call, at)
            call.is_vacated_in_gap = self._is_in_gap
            return
        self.register.forget(call, at)
        outside = self.register.by_number(call.consults)
        if outside is not None:
            consulting.over(outside, call)
            self.touch(outside)

    def end(self, call: LiveCall, at: datetime) -> None:
        """The call is over since `at`."""
        self.register.forget(call, at)
        call.reconciled = self._is_in_gap or call.is_vacated_in_gap
        if self.is_reported(call) and (call.sequence or call.dialler):
            ending.over(call, at)

    def is_reported(self, call: LiveCall) -> bool:
        """True for a call whose events are published under its own id."""
        return call.consults is None and (call.direction is not None or self._report_internal)

    def touch(self, call: LiveCall) -> None:
        """The call's state is to be kept, and what is said about it now was seen, or came to be known after a gap."""
        call.reconciled = self._is_in_gap
        self.register.touch(call)
