"""What one PBX shows of its calls in, events out: the one door to the pure core.

The tracker is told what the PBX showed and when; it never asks, waits or reads a clock. `take()` hands out what came of
it: events to publish, and calls whose state is to be kept or forgotten. The same frame twice changes nothing, and a
snapshot repairs whatever was missed. Calls without legs stand in `questions()`: the PBX is to be asked about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from services.monitor.calls import frames, gaps, listed
from services.monitor.calls.gaps import Snapshot
from services.monitor.calls.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime, timedelta, tzinfo

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.past import PastCall
    from services.monitor.calls.register import CallRegister
    from switchhook.events import CallId, Event


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
        self._picture = Picture(pbx, plan, timezone=timezone, report_internal=report_internal, grace=grace)
        self._another = partial(CallTracker, pbx, timezone=timezone, report_internal=report_internal, grace=grace)

    def blank(self) -> CallTracker:
        """A tracker of the same PBX that knows the same plan and no call."""
        return self._another(plan=self.plan)

    @property
    def plan(self) -> NumberingPlan:
        """The numbering plan of this moment."""
        return self._picture.plan

    @plan.setter
    def plan(self, plan: NumberingPlan) -> None:
        self._picture.plan = plan

    @property
    def calls(self) -> list[LiveCall]:
        """The live calls, consultations and internal calls among them."""
        return list(self.register)

    @property
    def register(self) -> CallRegister:
        """The live calls by their numbers, and those that are over."""
        return self._picture.register

    @property
    def live(self) -> int:
        """How many calls live, by their numbers."""
        return len(self.register)

    @property
    def has_said(self) -> bool:
        """True when `take()` has events."""
        return any(call.said for call in self.register.touched())

    def known_leg(self, key: LegKey) -> Leg | None:
        """A leg as it was seen last; None when it is not known to live."""
        return self.register.leg(key)

    def restore(self, calls: Iterable[LiveCall], past: Iterable[PastCall], at: datetime) -> None:
        """Takes the calls that were kept when the monitor stopped, and those that were over; a gap follows."""
        for call in calls:
            self.register.restore(call, at)
            self._picture.unshown.review((call,), self.plan)
        for one in past:
            self.register.past.remember(one)

    def leg_seen(self, leg: Leg, at: datetime) -> None:
        """A leg is as it was just read from the PBX."""
        frames.leg_seen(self._picture, leg, at)

    def leg_gone(self, key: LegKey, at: datetime) -> None:
        """A leg is gone: a Remove, or a read that found nothing."""
        frames.leg_gone(self._picture, key, at)

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
        the active calls (`rows`) say.
        """
        snapshot = Snapshot(legs=legs, rows=rows, asked_at=asked_at, at=at)
        if lost_at is None:
            gaps.resync(self._picture, snapshot, gone_at=at)
        else:
            gaps.found_again(self._picture, snapshot, lost_at=lost_at)

    def replay(self, segments: Sequence[Segment], *, since: datetime, shown: Collection[LegKey]) -> None:
        """Tells what the call log has of the time since `since` that nobody watched; a snapshot must follow.

        Calls that are known to be over, and those that ended earlier, are old news. The legs in `shown` live on: a
        segment also ends where a leg goes on in another role.
        """
        for _ in self.replaying(segments, since=since, shown=shown):
            pass

    def replaying(self, segments: Sequence[Segment], *, since: datetime, shown: Collection[LegKey]) -> Iterator[None]:
        """The same in pieces, after each of which something else may be done; frames have to wait until its end."""
        return gaps.replay(self._picture, segments, since=since, shown=shown)

    def active_calls(self, rows: Sequence[ActiveCall], *, asked_at: datetime, at: datetime) -> None:
        """Applies the PBX's list of active calls: queues and IVRs whose legs it does not show, and untold numbers."""
        listed.told(self._picture, rows, asked_at=asked_at, at=at)

    def unlisted(self, alive: AbstractSet[int], *, asked_at: datetime) -> set[CallId]:
        """Calls with legs whose numbers the PBX's whole list of active calls lacks: a Remove may be lost."""
        return listed.unlisted(self._picture, alive, asked_at=asked_at)

    def is_told_all(self, number: int) -> bool:
        """True for a call of which a row of the active calls can tell nothing new."""
        return listed.is_told_all(self._picture, number)

    def unshown(self, *, before: datetime) -> list[int]:
        """The numbers of calls that only the list of active calls shows fully, and are not in `questions` before."""
        return self._picture.unshown.numbers(self.plan, before=before)

    def questions(self, at: datetime) -> list[int]:
        """The numbers of calls without legs about which the PBX is to be asked now; empty when there are none."""
        return self._picture.vacancies.questions(at)

    def next_question_at(self) -> datetime | None:
        """When the next of them is due."""
        return self._picture.vacancies.next_question_at()

    def answer(
        self, numbers: Collection[int], rows: Sequence[ActiveCall] | None, *, asked_at: datetime, at: datetime
    ) -> None:
        """The rows that the PBX has of `numbers`, asked for at `asked_at`; None when it would not say."""
        vacancies = self._picture.vacancies
        for call, over_at in list(vacancies.over(numbers, rows, self.plan, asked_at=asked_at, at=at)):
            self._picture.end(call, over_at)

    @property
    def has_changes(self) -> bool:
        """True when `take()` has anything."""
        return bool(self.register.touched())

    def take(self, most: int | None = None) -> Changes:
        """Hands out what came of everything since the last time; of `most` calls, each as a whole."""
        touched = self.register.take(most)
        self._picture.unshown.review(touched, self.plan)
        events: list[Event] = []
        for call in touched:
            events += call.said
            call.said = []
        return Changes(
            events=events,
            changed=[call for call in touched if not call.is_over],
            over=[call for call in touched if call.is_over],
        )
