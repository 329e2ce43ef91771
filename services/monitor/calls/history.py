"""The PBX's call log, and how the part of it that nobody watched is told.

A row tells one segment of a call after it ended: who reached whom, when, how long it rang and was talked. The segments
that were missed are turned into the frames that would have told them, with their true times, and go through the same
rules. Calls are recognised by what their history id carries: the time of their arrival and their runtime number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.legs import Leg, LegKey, LegStatus
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister

CLOCKS_APART = timedelta(seconds=10)
"""By so much the moment at which we saw a call arrive may differ from that in the log."""
_SAME_MOMENT = timedelta(seconds=3)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_HEX_DIGITS = 32


@dataclass(frozen=True, slots=True, order=True)
class CallKey:
    """What identifies a call in the log: when it arrived, and its runtime number."""

    arrived_at: datetime
    number: int

    def is_same(self, number: int, arrived_at: datetime) -> bool:
        """True for the same number at about the same time; numbers begin again when the PBX restarts."""
        return number == self.number and abs(arrived_at - self.arrived_at) <= CLOCKS_APART


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One ended row of the log; `key` is its own call, `main` the one that it was joined to in the end.

    `reason` is the PBX's sentence about its end, `recording_ids` are those of either side.
    """

    key: CallKey
    main: CallKey
    source_dn: str
    source_number: str
    destination_dn: str
    destination_number: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    reason: str = ""
    recording_ids: tuple[int, ...] = ()

    def earlier(self, shift: timedelta) -> Segment:
        """The same with all its times so much earlier."""
        return replace(
            self,
            key=replace(self.key, arrived_at=self.key.arrived_at - shift),
            main=replace(self.main, arrived_at=self.main.arrived_at - shift),
            started_at=self.started_at - shift,
            answered_at=None if self.answered_at is None else self.answered_at - shift,
            ended_at=self.ended_at - shift,
        )


@dataclass(frozen=True, slots=True)
class MissedFrame:
    """What would have been seen at `at`: a leg as it was, or (None) that it was gone."""

    at: datetime
    key: LegKey
    leg: Leg | None


def decode_history_id(text: str) -> CallKey | None:
    """The arrival and the runtime number that a history id carries; None for another form."""
    digits = text.replace("-", "")
    if len(digits) != _HEX_DIGITS:
        return None
    try:
        ticks, number = int(digits[8:24], 16), int(digits[24:], 16)
        return CallKey(_EPOCH + timedelta(microseconds=ticks // 10), number)
    except (ValueError, OverflowError):
        return None


def missed_frames(
    segments: Iterable[Segment], register: CallRegister, plan: NumberingPlan, *, since: datetime
) -> list[MissedFrame]:
    """The frames that nobody saw of the calls that live, and of those that came and went after `since`; in order.

    Calls of which the PBX shows this client nothing are none of its business, in a gap as ever.
    """
    by_key: dict[CallKey, list[Segment]] = {}
    for segment in segments:
        by_key.setdefault(segment.key, []).append(segment)
    frames: list[MissedFrame] = []
    for key, own in by_key.items():
        call = register.by_number(key.number)
        if call is not None and key.is_same(key.number, call.arrived_at):
            shift = call.arrived_at - key.arrived_at
            frames += [replace(frame, at=frame.at + shift) for frame in _unseen(own, call, plan)]
            continue
        is_over = register.past.knows(key) or register.past.knows(own[0].main)
        if not is_over and is_shown(own, plan) and any(one.ended_at >= since for one in own):
            frames += _unseen(own, None, plan)
    return sorted(frames, key=lambda frame: (frame.at, frame.leg is None))


def is_shown(segments: Iterable[Segment], plan: NumberingPlan) -> bool:
    """True when the PBX shows this client anything of the call: legs, or a queue or IVR among the active calls."""
    return any(
        dn in plan.visible or plan.kind_of(dn) in (DnKind.QUEUE, DnKind.IVR)
        for segment in segments
        for dn in (segment.source_dn, segment.destination_dn)
    )


def _unseen(segments: Iterable[Segment], call: LiveCall | None, plan: NumberingPlan) -> list[MissedFrame]:
    """What `call` has not seen of its segments, in the log's own time; None: it has seen nothing."""
    frames: list[MissedFrame] = []
    for place, segment in enumerate(sorted(segments, key=lambda one: one.started_at)):
        for side, leg in enumerate(_legs(segment, plan)):
            seen = _seen_leg(call, leg.dn) if call is not None else None
            if seen is None and call is not None and _was_seen(call, leg.dn, segment):
                continue
            unseen_id = -(1000 * segment.key.number + 2 * place + side + 1)
            frames += _life(replace(leg, id=unseen_id if seen is None else seen.id), segment, is_new=seen is None)
    return frames


def _life(leg: Leg, segment: Segment, *, is_new: bool) -> Iterator[MissedFrame]:
    if is_new:
        yield MissedFrame(segment.started_at, leg.key, leg)
    if segment.answered_at is not None and leg.status is not LegStatus.CONNECTED:
        yield MissedFrame(segment.answered_at, leg.key, replace(leg, status=LegStatus.CONNECTED))
    yield MissedFrame(segment.ended_at, leg.key, None)


def _legs(segment: Segment, plan: NumberingPlan) -> list[Leg]:
    source = plan.kind_of(segment.source_dn)
    destination = plan.kind_of(segment.destination_dn)
    called = LegStatus.RINGING if destination is DnKind.EXTENSION else LegStatus.CONNECTED
    arriving = _leg(segment, segment.destination_dn, destination, called, plan)
    calling = _leg(segment, segment.source_dn, source, LegStatus.DIALING, plan)
    if source is DnKind.TRUNK:
        return [arriving]
    return [calling] if destination is DnKind.TRUNK else [calling, arriving]


def _leg(segment: Segment, dn: str, kind: DnKind, status: LegStatus, plan: NumberingPlan) -> Leg:
    is_source = dn == segment.source_dn
    party_dn = segment.destination_dn if is_source else segment.source_dn
    return Leg(
        dn=dn,
        id=0,
        kind=kind,
        status=status,
        number=segment.key.number,
        party_dn=party_dn,
        party_kind=plan.kind_of(party_dn),
        party_number=segment.destination_number if is_source else segment.source_number,
    )


def _seen_leg(call: LiveCall, dn: str) -> Leg | None:
    """The DN's leg that was live when the watch was lost."""
    return next((leg for leg in call.legs.values() if leg.dn == dn), None)


def _was_seen(call: LiveCall, dn: str, segment: Segment) -> bool:
    """True when the DN took part at that time; both times count from the arrival, so that clocks need not agree."""
    offset = segment.started_at - segment.key.arrived_at
    return any(
        one.dn == dn and abs(one.joined_at - call.arrived_at - offset) <= _SAME_MOMENT for one in call.participants
    )
