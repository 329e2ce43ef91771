"""The tracker of a capture: the product's own; whatever it is told is written before it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.tracker import CallTracker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.capture_witness import CaptureWitness
    from switchhook.runtime.clock import Clock
    from switchhook.settings import MonitorSettings, PbxSettings


class CapturingTracker(CallTracker):
    """It is a `CallTracker` in every respect."""

    def __init__(self, pbx: PbxSettings, settings: MonitorSettings, witness: CaptureWitness, *, clock: Clock) -> None:
        self._witness = witness
        self._append = witness.append
        self._writing = witness.writing
        self._clock = clock
        super().__init__(
            pbx.name,
            NumberingPlan(),
            timezone=ZoneInfo(pbx.timezone),
            report_internal=pbx.report_internal,
            grace=settings.end_grace,
        )

    @property
    def plan(self) -> NumberingPlan:
        """The numbering plan of this moment."""
        return self._picture.plan

    @plan.setter
    def plan(self, plan: NumberingPlan) -> None:
        if plan != self._picture.plan:
            self._append(self._writing.plan(plan, self._clock()))
        self._picture.plan = self._witness.plan = plan

    def leg_seen(self, leg: Leg, at: datetime) -> None:
        """A leg, with all that the PBX shows of it."""
        self._append(self._writing.upsert(self._witness.participant(leg), at))
        super().leg_seen(leg, at)

    def leg_gone(self, key: LegKey, at: datetime) -> None:
        """A leg that is gone."""
        self._append(self._writing.remove(key, at))
        super().leg_gone(key, at)

    def resync(
        self,
        legs: Sequence[Leg],
        *,
        asked_at: datetime,
        at: datetime,
        lost_at: datetime | None = None,
        rows: Sequence[ActiveCall] = (),
    ) -> None:
        """A snapshot."""
        shown = [self._witness.participant(leg) for leg in legs]
        self._append(self._writing.snapshot(shown, rows, self._witness.rows, at=at, asked_at=asked_at, lost_at=lost_at))
        super().resync(legs, asked_at=asked_at, at=at, lost_at=lost_at, rows=rows)

    def replaying(self, segments: Sequence[Segment], *, since: datetime, shown: Collection[LegKey]) -> Iterator[None]:
        """Rows of the call log."""
        told, ahead = self._witness.segments(segments)
        self._append(self._writing.log(told, shown, at=self._clock(), since=since, ahead=ahead))
        return super().replaying(segments, since=since, shown=shown)

    def active_calls(self, rows: Sequence[ActiveCall], *, asked_at: datetime, at: datetime) -> None:
        """The list of active calls."""
        self._append(self._writing.active(rows, self._witness.rows, at=at, asked_at=asked_at))
        super().active_calls(rows, asked_at=asked_at, at=at)

    def answer(
        self, numbers: Collection[int], rows: Sequence[ActiveCall] | None, *, asked_at: datetime, at: datetime
    ) -> None:
        """The answer to whether these calls live."""
        self._append(self._writing.asked(numbers, rows, self._witness.rows, at=at, asked_at=asked_at))
        super().answer(numbers, rows, asked_at=asked_at, at=at)
