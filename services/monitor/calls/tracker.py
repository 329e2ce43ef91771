"""The picture of every live call of one PBX: frames, snapshots and rows in, events out.

The tracker is told what the PBX showed and when; it never asks, waits or reads a clock. `take()` hands out what came of
it: events to publish, and calls whose state is to be kept or forgotten. The same frame twice changes nothing, and a
snapshot repairs whatever was missed. Calls without legs stand in `questions()`: the PBX is to be asked about them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.monitor.calls import consulting, ending, routing, talking
from services.monitor.calls.history import Segment, know_joins, missed_frames
from services.monitor.calls.outside import learn_from_leg, learn_from_row
from services.monitor.calls.register import CallRegister
from services.monitor.calls.renumbering import renumbered
from services.monitor.calls.states import Change, change_of, status_after
from services.monitor.calls.unshown import UnshownCalls, is_unshown
from services.monitor.calls.vacancies import Vacancies
from switchhook.events import Direction, DnKind, Event, Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime, timedelta, tzinfo

    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.past import PastCall
    from switchhook.events import CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What came of the frames since the last `take()`."""

    events: Sequence[Event]
    changed: Sequence[LiveCall]
    over: Sequence[LiveCall]


class CallTracker:
    """Tracks the calls of one PBX; `grace` is how long a call without legs may live when the PBX will not say."""

    def __init__(
        self, pbx: str, plan: NumberingPlan, *, timezone: tzinfo, report_internal: bool, grace: timedelta
    ) -> None:
        self.plan = plan
        self._pbx = pbx
        self._timezone = timezone
        self._grace = grace
        self._register = CallRegister(pbx, timezone)
        self._report_internal = report_internal
        self._vacancies = Vacancies(self._register, grace=grace)
        self._unshown = UnshownCalls()
        self._is_after_gap = False
        self._found_rows: dict[int, ActiveCall] | None = None  # while a gap's end shows what is older than that moment

    @property
    def calls(self) -> list[LiveCall]:
        """The live calls, consultations and internal calls among them."""
        return list(self._register)

    def blank(self) -> CallTracker:
        """A tracker of the same PBX that knows the same plan and no call."""
        return CallTracker(
            self._pbx,
            self.plan,
            timezone=self._timezone,
            report_internal=self._report_internal,
            grace=self._grace,
        )

    @property
    def register(self) -> CallRegister:
        """The live calls by their numbers, and those that are over."""
        return self._register

    @property
    def live(self) -> int:
        """How many calls live, by their numbers."""
        return len(self._register)

    @property
    def has_said(self) -> bool:
        """True when `take()` has events."""
        return any(call.said for call in self._register.touched())

    def known_leg(self, key: LegKey) -> Leg | None:
        """A leg as it was seen last; None when it is not known to live."""
        return self._register.leg(key)

    def restore(self, calls: Iterable[LiveCall], past: Iterable[PastCall], at: datetime) -> None:
        """Takes the calls that were kept when the monitor stopped, and those that were over; a gap follows."""
        for call in calls:
            self._register.restore(call, at)
            self._unshown.review((call,), self.plan)
        for one in past:
            self._register.past.remember(one)

    def leg_seen(self, leg: Leg, at: datetime) -> None:
        """A leg is as it was just read from the PBX."""
        call = self._register.by_number(leg.number) or self._begin(leg, at)
        source = self._register.call_of(leg.key)
        before = call.legs.get(leg.key)
        if source is not None and source is not call:
            before = self._move(leg, source, call, at)
        status = before.status if before else None
        change = change_of(status, leg.status)
        remembered = status_after(status, leg.status)
        if remembered is not leg.status:
            leg = replace(leg, status=remembered)
        self._register.seen(leg, call, at)
        if leg == before:
            return
        call.legs[leg.key] = leg
        routing.goes_on(call, call.vacant_since or at)
        self._register.occupy(call)
        self._touch(call)
        if call.consults is not None:
            if not consulting.shows_join(call, leg):
                self._consultation_changed(call, leg, change, at)
                return
            call, change = self._join(call, at), Change.APPEARED
        learn_from_leg(call, leg, self.plan)
        if self._is_reported(call):
            self._apply(call, leg, change, at)

    def leg_gone(self, key: LegKey, at: datetime) -> None:
        """A leg is gone: a Remove, or a read that found nothing."""
        call = self._register.removed(key, at)
        leg = call.legs.pop(key, None) if call is not None else None
        if call is None or leg is None:
            return
        self._touch(call)
        if not self._is_reported(call):
            if not call.legs:
                self._forget(call, at)
            return
        match change_of(leg.status, None):
            case Change.STOPPED if leg.kind is DnKind.EXTENSION:
                routing.stopped(call, leg, at)
            case Change.LEFT if leg.kind is DnKind.EXTENSION:
                talking.left(call, leg, at)
            case _:
                call.left(leg.dn, at)
        if not call.legs:
            self._register.vacate(call, at)
            call.is_vacated_in_gap = self._is_after_gap

    def resync(
        self,
        legs: Sequence[Leg],
        *,
        asked_at: datetime,
        at: datetime,
        lost_at: datetime | None = None,
        rows: Sequence[ActiveCall] = (),
    ) -> None:
        """Applies a snapshot of all visible legs that was asked for at `asked_at`; what was heard since then stays.

        After a gap `lost_at` is when the watch was lost: what is gone was last seen then, and what is new is as old as
        the active calls (`rows`) say. Legs that are gone go first: whoever talks now may have the call from them.
        """
        self._is_after_gap = lost_at is not None
        gone_at = lost_at or at
        changed_at = {row.number: row.changed_at for row in rows if row.changed_at is not None}
        if self._is_after_gap:
            self._found_rows = {row.number: row for row in rows}
            self._vacancies.watched_again(at)
            for call in renumbered(self._register, legs, rows, self.plan):
                self._end(call, gone_at)
        shown = {leg.key for leg in legs}
        for key in self._register.legs():
            if key not in shown and not self._register.is_settled_since(key, asked_at):
                self.leg_gone(key, gone_at)
        news = [leg for leg in legs if self._register.leg(leg.key) is not leg]
        for leg in sorted(news, key=lambda one: (one.number, one.kind is DnKind.EXTENSION, one.id)):
            if not self._register.is_settled_since(leg.key, asked_at):
                # Of a known call the list tells when its state changed, not since when one more phone rings.
                is_untimed = leg.is_ringing_extension and self._register.by_number(leg.number) is not None
                since = at if is_untimed else changed_at.get(leg.number, at)
                self.leg_seen(leg, min(max(since, gone_at), at))
        self._is_after_gap, self._found_rows = False, None

    def replay(self, segments: Sequence[Segment], *, since: datetime, shown: Collection[LegKey]) -> None:
        """Tells what the call log has of the time since `since` that nobody watched; a snapshot must follow.

        Calls that are known to be over, and those that ended earlier, are old news. The legs in `shown` live on: a
        segment also ends where a leg goes on in another role.
        """
        self._is_after_gap = True
        for frame in missed_frames(segments, self._register, self.plan, since=since):
            if frame.leg is not None:
                self.leg_seen(frame.leg, frame.at)
            elif frame.key not in shown:
                self.leg_gone(frame.key, frame.at)
        know_joins(segments, self._register)
        self._is_after_gap = False

    def active_calls(self, rows: Sequence[ActiveCall], *, asked_at: datetime, at: datetime) -> None:
        """Applies the PBX's list of active calls: queues and IVRs whose legs it does not show, and untold numbers."""
        for row in rows:
            is_hidden = row.callee_dn in self.plan.hidden
            call = self._register.by_number(row.number)
            if call is None:
                if not is_hidden or self.plan.kind_of(row.caller_dn) is not DnKind.TRUNK:
                    continue
                call = self._register.begin(row.number, at)
                self._register.vacate(call, at)
            elif call.consults is not None or call.last_at >= asked_at:
                continue
            if learn_from_row(call, row, self.plan) or call.stopped:
                routing.goes_on(call, call.vacant_since or at)
                self._touch(call)
            if is_hidden and call.place != row.callee_dn:
                self._touch(call)
                routing.enter(call, row.callee_dn, self.plan.kind_of(row.callee_dn), at)
            elif not is_hidden and row.callee_dn and call.place in self.plan.hidden:
                self._touch(call)
                call.left(call.place, at)
                call.place = row.callee_dn
            if call.origin is Origin.MAKECALL and not call.is_dialled and call.outside_number:
                self._touch(call)
                routing.dialled(call, call.last_rung, at)

    def unlisted(self, alive: AbstractSet[int], *, asked_at: datetime) -> set[CallId]:
        """Calls with legs whose numbers the PBX's whole list of active calls lacks: a Remove may be lost."""
        return {call.id for call in self._register.unsettled(asked_at) if alive.isdisjoint(call.numbers)}

    def questions(self, at: datetime) -> list[int]:
        """The numbers of calls without legs about which the PBX is to be asked now; empty when there are none."""
        return self._vacancies.questions(at)

    def next_question_at(self) -> datetime | None:
        """When the next of them is due."""
        return self._vacancies.next_question_at()

    def unshown(self, *, before: datetime) -> list[int]:
        """The numbers of calls that only the list of active calls shows fully, and are not in `questions` before."""
        return self._unshown.numbers(self.plan, before=before)

    def is_told_all(self, number: int) -> bool:
        """True for a call of which a row of the active calls can tell nothing new."""
        call = self._register.by_number(number)
        if call is None or call.stopped or not (call.direction and call.outside_number):
            return False
        return not is_unshown(call, self.plan)

    def answer(
        self, numbers: Collection[int], rows: Sequence[ActiveCall] | None, *, asked_at: datetime, at: datetime
    ) -> None:
        """The rows that the PBX has of `numbers`, asked for at `asked_at`; None when it would not say."""
        for call, over_at in list(self._vacancies.over(numbers, rows, self.plan, asked_at=asked_at, at=at)):
            self._end(call, over_at)

    def take(self) -> Changes:
        """Hands out what came of everything since the last call."""
        touched = self._register.take()
        self._unshown.review(touched, self.plan)
        events: list[Event] = []
        for call in touched:
            events += call.said
            call.said = []
        return Changes(
            events=events,
            changed=[call for call in touched if not call.is_over],
            over=[call for call in touched if call.is_over],
        )

    def _apply(self, call: LiveCall, leg: Leg, change: Change, at: datetime) -> None:
        if leg.kind is not DnKind.EXTENSION:
            if change in (Change.RANG, Change.APPEARED, Change.DIALLED) and not call.is_present(leg.dn):
                routing.enter(call, leg.dn, leg.kind, at)
            return
        queue = leg.on_behalf_of  # the list of active calls may have named the agent already, who has it from there
        if queue and call.place not in (queue, leg.dn) and self.plan.kind_of(queue) is DnKind.QUEUE:
            routing.enter(call, queue, DnKind.QUEUE, at)
        if call.direction is None and not call.outside_number:
            call.outside_number = leg.dn if change is Change.DIALLED else leg.party_dn
        if self._is_dialler(call, leg, change):
            call.dialler = leg.dn
            self._apply_dialling(call, leg, change, at)
        elif change is Change.RANG:
            routing.rang(call, leg, at)
        elif change is Change.ANSWERED:
            self._start(call, leg, at)
        elif change is Change.APPEARED:
            self._apply_appeared(call, leg, at)

    def _is_dialler(self, call: LiveCall, leg: Leg, change: Change) -> bool:
        """True for the extension that makes the call, as long as nobody talks."""
        if call.dialler:
            return leg.dn == call.dialler and (not call.talks or call.direction is None)
        return change is Change.DIALLED or leg.is_makecall

    def _apply_dialling(self, call: LiveCall, leg: Leg, change: Change, at: datetime) -> None:
        """The extension that makes the call: its own ringing is no ringing, its number may become known late."""
        if call.direction is not Direction.OUTBOUND:
            return
        routing.dialled(call, leg.dn, at)
        if change in (Change.ANSWERED, Change.APPEARED):
            self._start(call, leg, at)

    def _apply_appeared(self, call: LiveCall, leg: Leg, at: datetime) -> None:
        """An extension is connected of which no ringing was seen."""
        if call.direction is Direction.OUTBOUND and not call.talks:
            call.dialler = leg.dn
            self._apply_dialling(call, leg, Change.APPEARED, at)
            return
        is_third = talking.is_third(call, leg)
        if not is_third and leg.dn not in call.consulted:
            routing.rang(call, leg, at)
        self._start(call, leg, at, as_third=is_third)

    def _start(self, call: LiveCall, leg: Leg, at: datetime, *, as_third: bool = False) -> None:
        talking.started(call, leg, at, as_third=as_third)
        self._register.talks(call, leg.dn)

    def _consultation_changed(self, call: LiveCall, leg: Leg, change: Change, at: datetime) -> None:
        outside = self._register.by_number(call.consults)
        if change is Change.DIALLED:
            call.dialler = leg.dn
        if outside is None or leg.kind is not DnKind.EXTENSION:
            return
        if leg.dn == call.dialler or outside.open_talk(leg.dn) is not None:
            return
        self._touch(outside)
        if change is Change.RANG:
            consulting.colleague_rang(outside, leg, at)
        elif change in (Change.ANSWERED, Change.APPEARED):
            consulting.colleague_answered(outside, leg, at)

    def _join(self, consultation: LiveCall, at: datetime) -> LiveCall:
        """The consultation's number is now that of the outside call: its legs move there."""
        outside = self._register.by_number(consultation.consults)
        if outside is None:
            self._register.consults(consultation, None)
            return consultation
        legs, consultation.legs = consultation.legs, {}
        self._register.forget(consultation, at)
        self._register.also_known_as(outside, consultation.numbers)
        for leg in legs.values():
            outside.legs[leg.key] = leg
            self._register.seen(leg, outside, at)
        self._register.occupy(outside)
        self._touch(outside)
        return outside

    def _move(self, leg: Leg, source: LiveCall, target: LiveCall, at: datetime) -> Leg | None:
        """A leg changed its call. What it was before counts in the target only while it rings: a talk begins there."""
        before = source.legs.pop(leg.key, None)
        self._touch(source)
        if source.consults is not None and source.consults in target.numbers:
            target.numbers.extend(number for number in source.numbers if number not in target.numbers)
        if not source.legs:
            if self._is_reported(source):
                self._register.vacate(source, at)
            else:
                self._forget(source, at)
        return None if before is None or before.is_talking_extension else before

    def _begin(self, leg: Leg, at: datetime) -> LiveCall:
        call = self._register.begin(leg.number, at)
        if self._found_rows is not None:
            call.is_found_late = True
            if (row := self._found_rows.get(leg.number)) is not None:
                learn_from_row(call, row, self.plan)
        if not leg.shows_outside and leg.kind is DnKind.EXTENSION:
            outside = consulting.consulted_call(leg, self._register, at)
            if outside is not None:
                self._register.consults(call, outside)
                consulting.begun(outside, leg)
        return call

    def _forget(self, call: LiveCall, at: datetime) -> None:
        """A call that is not reported is over."""
        self._register.forget(call, at)
        outside = self._register.by_number(call.consults)
        if outside is not None:
            consulting.over(outside, call)
            self._touch(outside)

    def _end(self, call: LiveCall, at: datetime) -> None:
        self._register.forget(call, at)
        call.reconciled = self._is_after_gap or call.is_vacated_in_gap
        if self._is_reported(call) and (call.sequence or call.dialler):
            ending.over(call, at)

    def _is_reported(self, call: LiveCall) -> bool:
        return call.consults is None and (call.direction is not None or self._report_internal)

    def _touch(self, call: LiveCall) -> None:
        call.reconciled = self._is_after_gap
        self._register.touch(call)
