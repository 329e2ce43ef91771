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
from services.monitor.calls.sightings import SAME_MOMENT, is_outside, sightings
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan
    from services.monitor.calls.register import CallRegister

CLOCKS_APART = timedelta(seconds=10)
"""By so much the moment at which we saw a call arrive may differ from that in the log."""
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_HEX_DIGITS = 32
_YEARS = range(1990, 2200)  # a time outside of these is a mistake, and calculating with it may overflow
_HIGHEST_NUMBER = 2**31 - 1  # the vendor's numbers of calls have 32 bits, and so has our storage


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
    """What would have been seen at `at` of a `call`: a leg as it was, or (None) that it was gone."""

    at: datetime
    call: CallKey
    key: LegKey
    leg: Leg | None


def decode_history_id(text: str) -> CallKey | None:
    """The arrival and the runtime number that a history id carries; None for another form."""
    digits = text.replace("-", "")
    if len(digits) != _HEX_DIGITS:
        return None
    try:
        ticks, number = int(digits[8:24], 16), int(digits[24:], 16)
        arrived_at = _EPOCH + timedelta(microseconds=ticks // 10)
    except (ValueError, OverflowError):
        return None
    return CallKey(arrived_at, number) if arrived_at.year in _YEARS and number <= _HIGHEST_NUMBER else None


def missed_frames(
    segments: Iterable[Segment], register: CallRegister, plan: NumberingPlan, *, since: datetime
) -> list[MissedFrame]:
    """The frames that nobody saw of the calls that live, and of those that came and went after `since`; in order.

    Calls of which the PBX shows this client nothing are none of its business, in a gap as ever.
    """
    by_key: dict[CallKey, list[Segment]] = {}
    for segment in dict.fromkeys(segments):  # a row may be on two pages
        by_key.setdefault(segment.key, []).append(segment)
    frames: list[MissedFrame] = []
    for key, own in by_key.items():
        call = register.by_number(key.number)
        is_first = call is not None and key.number == call.numbers[0]
        ended_at = max(one.ended_at for one in own)
        if call is not None and _is_of(key, call, ended_at):
            # A number that a join gave it was that of a consultation, which was told as far as it is to be told.
            told = [one for one in own if is_first or is_outside(one, plan)]
            ahead = _log_ahead(call, key, told)
            frames += _unseen([one.earlier(ahead) for one in told if one.ended_at - ahead >= since], call, plan)
            continue
        if call is not None and is_first and key.arrived_at < call.arrived_at:
            continue  # one before a restart of the PBX; if nobody told it, the proof will
        is_over = register.past.knows(key, ended_at) or register.past.knows(own[0].main, ended_at)
        if not is_over and is_shown(own, plan) and ended_at >= since:
            frames += _unseen(own, None, plan)
    return sorted(frames, key=lambda frame: (frame.at, frame.leg is None))


def is_shown(segments: Iterable[Segment], plan: NumberingPlan) -> bool:
    """True when the PBX shows this client anything of the call: legs, or a queue or IVR among the active calls."""
    return any(
        dn in plan.visible or plan.kind_of(dn) in (DnKind.QUEUE, DnKind.IVR)
        for segment in segments
        for dn in (segment.source_dn, segment.destination_dn)
    )


def know_joins(segments: Iterable[Segment], register: CallRegister) -> None:
    """Live calls get the numbers that are theirs by a join which only the log tells: a leg may go on under one."""
    for segment in segments:
        call = register.by_number(segment.main.number)
        if (
            call is not None
            and register.by_number(segment.key.number) is None
            and _is_of(segment.main, call, segment.ended_at)
        ):
            register.also_known_as(call, [segment.key.number])


def begins_anew(key: CallKey, call: LiveCall) -> bool:
    """True when the key is that of a later call which got the number of this one after a restart of the PBX."""
    return key.number == call.numbers[0] and key.arrived_at > call.arrived_at + CLOCKS_APART


def _is_of(key: CallKey, call: LiveCall, ended_at: datetime) -> bool:
    """True when the key, of a call with rows until `ended_at`, is that of a live call, or of one joined to it.

    Of a call that was seen late only the latest moment of its arrival is known, of a joined one only the earliest.
    """
    if key.number != call.numbers[0]:
        return key.arrived_at >= call.arrived_at - CLOCKS_APART
    if key.is_same(key.number, call.arrived_at):
        return True
    was_under_way = call.is_found_late or ended_at >= call.arrived_at - CLOCKS_APART
    return key.arrived_at <= call.arrived_at and was_under_way


def _is_seen_late(key: CallKey, call: LiveCall) -> bool:
    """True when the call had arrived before: in a gap, or where this client sees nothing."""
    return call.is_found_late or (key.number == call.numbers[0] and not key.is_same(key.number, call.arrived_at))


def _log_ahead(call: LiveCall, key: CallKey, segments: Iterable[Segment]) -> timedelta:
    """How far the log's clock is ahead of the one by which the call was seen: whatever was seen late makes it less.

    The beginning of a part of the call tells it when its first sight was late, unless it is that of another part. More
    than a moment behind it cannot be: the times of the log are by our clock, within seconds.
    """
    if _is_seen_late(key, call):
        return timedelta()
    parts = [(dn, one) for one in segments for dn in _dns(one)]
    joined_at = {one.dn: one.joined_at for one in reversed(call.participants)}
    for dn, one in parts:
        if dn in joined_at and one.started_at + SAME_MOMENT < joined_at[dn] <= one.ended_at:
            del joined_at[dn]  # its first sight was one of what had begun long before
    apart = [one.started_at - joined_at[dn] for dn, one in parts if dn in joined_at]
    found = [ahead for ahead in apart if abs(ahead) <= SAME_MOMENT]
    arrived = key.arrived_at - call.arrived_at
    if key.number == call.numbers[0] and arrived >= -SAME_MOMENT:
        found.append(arrived)
    return max(found, default=timedelta())


def _dns(segment: Segment) -> tuple[str, str]:
    return segment.source_dn, segment.destination_dn


def _unseen(segments: Iterable[Segment], call: LiveCall | None, plan: NumberingPlan) -> list[MissedFrame]:
    """What `call` has not seen of its segments; None: it has seen nothing."""
    frames: list[MissedFrame] = []
    ordered = sorted(segments, key=lambda one: one.started_at)
    seen = sightings(ordered, call, plan) if call is not None else {}
    for place, segment in enumerate(ordered):
        if call is not None and _is_seen_late(segment.key, call) and segment.ended_at <= call.arrived_at:
            continue
        for side, leg in enumerate(_legs(segment, plan)):
            live = seen.get((place, leg.dn))
            if live is not None:
                frames += _life(replace(leg, id=live.id), segment, is_new=False)
            elif (place, leg.dn) not in seen:
                unseen_id = -(1000 * segment.key.number + 2 * place + side + 1)
                frames += _life(replace(leg, id=unseen_id), segment, is_new=True)
    return frames


def _life(leg: Leg, segment: Segment, *, is_new: bool) -> Iterator[MissedFrame]:
    if leg.status is LegStatus.RINGING and segment.answered_at == segment.started_at:
        leg = replace(leg, status=LegStatus.CONNECTED)  # it was joined, or picked the call up
    if is_new:
        yield MissedFrame(segment.started_at, segment.key, leg.key, leg)
    if segment.answered_at is not None and leg.status is not LegStatus.CONNECTED:
        yield MissedFrame(segment.answered_at, segment.key, leg.key, replace(leg, status=LegStatus.CONNECTED))
    yield MissedFrame(segment.ended_at, segment.key, leg.key, None)


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
